// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// identity tells which pod answered and where; the names come from the downward API.
type identity struct {
	Pod  string `json:"pod"`
	Node string `json:"node"`
}

func ownIdentity() identity {
	pod := os.Getenv("POD_NAME")
	if pod == "" {
		pod, _ = os.Hostname() // a pod's host name is its own name unless the manifest says otherwise
	}
	return identity{Pod: pod, Node: os.Getenv("NODE_NAME")}
}

// web serves GET / (identity as JSON), /healthz and /readyz.
//
// After SIGTERM it goes on serving for -drain-delay, unready, so that every proxy has time to take the pod out of its
// Service, and then finishes the requests in flight.
func web(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("web", flag.ExitOnError)
	listen := flags.String("listen", ":8080", "address to listen on")
	delay := flags.Duration("drain-delay", 5*time.Second, "how long to go on serving after SIGTERM")
	flags.Parse(arguments)

	me := ownIdentity()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, me) })
	return serve(ctx, &http.Server{Addr: *listen, Handler: mux}, mux, *delay)
}

// serve adds the probes to mux, runs the server until ctx ends, then drains it.
func serve(ctx context.Context, server *http.Server, mux *http.ServeMux, delay time.Duration) error {
	var draining atomic.Bool
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
		}
	})
	server.ReadHeaderTimeout = 10 * time.Second
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ListenAndServeTLS("", "")
		} else {
			failed <- server.ListenAndServe()
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining.Store(true)
	time.Sleep(delay)
	deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}
