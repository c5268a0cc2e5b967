// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// outcome is one request of the client, a line of its output.
type outcome struct {
	Time    time.Time `json:"time"` // when the request was sent
	Seconds float64   `json:"seconds"`
	OK      bool      `json:"ok"`
	Pod     string    `json:"pod,omitempty"`
	Node    string    `json:"node,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// summary is what the client says at its end, as the only line with the key "summary".
type summary struct {
	URL      string         `json:"url"`
	Start    time.Time      `json:"start"`
	End      time.Time      `json:"end"`
	Requests int            `json:"requests"`
	OK       int            `json:"ok"`
	Failed   int            `json:"failed"`
	Nodes    map[string]int `json:"nodes"`  // good answers from each node
	Errors   map[string]int `json:"errors"` // failures by their text
	Outages  []outage       `json:"outages"`
	Median   float64        `json:"median_seconds"` // of good answers
	P99      float64        `json:"p99_seconds"`
}

// outage is a run of failed requests in the order of their sending: from the first one to the next good one (or the end).
type outage struct {
	Start   time.Time `json:"start"`
	Seconds float64   `json:"seconds"`
	Failed  int       `json:"failed"`
	Error   string    `json:"error"` // of its first failure
}

func summarize(url string, start, end time.Time, outcomes []outcome) *summary {
	s := &summary{URL: url, Start: start, End: end, Requests: len(outcomes)}
	s.Nodes, s.Errors, s.Outages = map[string]int{}, map[string]int{}, []outage{}
	slices.SortFunc(outcomes, func(a, b outcome) int { return a.Time.Compare(b.Time) })
	var durations []float64
	down := false
	for _, o := range outcomes {
		if o.OK {
			s.OK++
			s.Nodes[o.Node]++
			durations = append(durations, o.Seconds)
			if down {
				s.endOutage(o.Time)
			}
		} else {
			s.Failed++
			s.Errors[o.Error]++
			if !down {
				s.Outages = append(s.Outages, outage{Start: o.Time, Error: o.Error})
			}
			s.Outages[len(s.Outages)-1].Failed++
		}
		down = !o.OK
	}
	if down {
		s.endOutage(end)
	}
	if n := len(durations); n > 0 {
		slices.Sort(durations)
		s.Median, s.P99 = durations[n/2], durations[n*99/100]
	}
	return s
}

func (s *summary) endOutage(end time.Time) {
	last := &s.Outages[len(s.Outages)-1]
	last.Seconds = end.Sub(last.Start).Seconds()
}

// client asks a URL at a steady pace, one fresh connection a request as a new user would, and writes a JSON line for
// each to standard output. On SIGTERM (or after -count requests) it writes the summary. Failed requests are its result,
// not its failure: it exits with 0 all the same.
func client(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	url := flags.String("url", "", "what to ask")
	via := flags.String("via", "", "CONNECT proxy to dial through: unix:PATH or HOST:PORT")
	interval := flags.Duration("interval", 250*time.Millisecond, "pause between the starts of two requests")
	timeout := flags.Duration("timeout", 5*time.Second, "after this a request has failed")
	count := flags.Int("count", 0, "stop after so many requests (0: when told to)")
	flags.Parse(arguments)

	if *url == "" {
		return fmt.Errorf("-url is needed")
	}
	asker := &http.Client{Timeout: *timeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialVia(*via)}}
	lines := json.NewEncoder(os.Stdout)
	start := time.Now().UTC()
	var all []outcome
	// Requests overlap when one takes longer than the interval, so that a slow answer does not hide what others saw.
	results := make(chan outcome)
	ticker := time.NewTicker(*interval)
	defer ticker.Stop()
	stopped := ctx.Done()
	begun, running, tick := 0, 0, ticker.C
	for tick != nil || running > 0 {
		select {
		case <-tick:
			begun, running = begun+1, running+1
			go func() { results <- ask(asker, *url) }()
			if begun == *count {
				tick = nil
			}
		case result := <-results:
			running--
			all = append(all, result)
			if err := lines.Encode(result); err != nil {
				return err
			}
		case <-stopped:
			tick, stopped = nil, nil
		}
	}
	return lines.Encode(map[string]*summary{"summary": summarize(*url, start, time.Now().UTC(), all)})
}

// dialVia returns nil, which means directly, for no proxy.
func dialVia(proxy string) func(context.Context, string, string) (net.Conn, error) {
	if proxy == "" {
		return nil
	}
	network, place := "tcp", proxy
	if path, found := strings.CutPrefix(proxy, "unix:"); found {
		network, place = "unix", path
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		return dialThrough(ctx, network, place, address)
	}
}

// ask makes one request. Anything but a complete answer with status 200 is a failure.
func ask(asker *http.Client, url string) outcome {
	started := time.Now()
	result := outcome{Time: started.UTC()}
	who, err := fetch(asker, url)
	result.Seconds = time.Since(started).Seconds()
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.OK, result.Pod, result.Node = true, who.Pod, who.Node
	return result
}

func fetch(asker *http.Client, url string) (identity, error) {
	var who identity
	response, err := asker.Get(url)
	if err != nil {
		return who, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return who, err
	}
	if response.StatusCode != http.StatusOK {
		return who, fmt.Errorf("status %s", response.Status)
	}
	// Any page is a good answer; one of `labapp web` or `labapp store` also says where it comes from.
	_ = json.Unmarshal(body, &who)
	return who, nil
}
