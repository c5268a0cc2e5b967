// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// counter is a number in a file, written so that a crash leaves either the old or the new one.
type counter struct {
	mutex sync.Mutex
	path  string
	value int64
}

func openCounter(folder string) (*counter, error) {
	c := &counter{path: filepath.Join(folder, "counter")}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	c.value, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return c, err
}

func (c *counter) get() int64 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.value
}

// increment returns the new value once it is on disk.
func (c *counter) increment() (int64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	next := c.path + ".next"
	file, err := os.Create(next)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintln(file, c.value+1)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(next, c.path); err != nil {
		return 0, err
	}
	c.value++
	return c.value, nil
}

// store serves GET /count and POST /count (adds one), each answered with {"count": N, "pod": ..., "node": ...}.
func store(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("store", flag.ExitOnError)
	listen := flags.String("listen", ":8080", "address to listen on")
	data := flags.String("data", "/data", "folder that keeps the counter")
	flags.Parse(arguments)

	count, err := openCounter(*data)
	if err != nil {
		return err
	}
	type answer struct {
		Count int64 `json:"count"`
		identity
	}
	me := ownIdentity()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, answer{count.get(), me}) })
	mux.HandleFunc("POST /count", func(w http.ResponseWriter, _ *http.Request) {
		value, err := count.increment()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, answer{value, me})
	})
	return serve(ctx, &http.Server{Addr: *listen, Handler: mux}, mux, 0)
}
