// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// echo answers every connection with a greeting and then with what it is sent.
func echo(t *testing.T) string {
	listener := listen(t)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.WriteString(conn, "hello ")
				io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// proxy is a node's connect proxy that dials everything at target ("" refuses).
func proxy(t *testing.T, target string) string {
	listener := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go serveConnect(ctx, []net.Listener{listener}, func(ctx context.Context, _ string) (net.Conn, error) {
		if target == "" {
			return nil, os.ErrDeadlineExceeded
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", target)
	})
	return listener.Addr().String()
}

// silent accepts connections and never answers, as the forwarded port of a machine that is down.
func silent(t *testing.T) string { return listen(t).Addr().String() }

func converse(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	io.WriteString(conn, "world")
	conn.(interface{ CloseWrite() error }).CloseWrite()
	if answer, err := io.ReadAll(conn); err != nil || string(answer) != "hello world" {
		t.Fatalf("answer %q, error %v", answer, err)
	}
}

func TestTunnelCarriesBothWaysAndHalfCloses(t *testing.T) {
	conn, err := dialThrough(t.Context(), "tcp", proxy(t, echo(t)), "10.96.0.10:53")
	if err != nil {
		t.Fatal(err)
	}
	converse(t, conn)
}

func TestRefusalComesWithItsReason(t *testing.T) {
	_, err := dialThrough(t.Context(), "tcp", proxy(t, ""), "10.96.0.10:53")
	if err == nil || !strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()) {
		t.Fatalf("error %v", err)
	}
}

func TestAnAddressOfANodeGoesThroughThatNode(t *testing.T) {
	r := router{nodes: []node{{"192.168.77.11", proxy(t, "")}, {"192.168.77.12", proxy(t, echo(t))}}}
	conn, err := r.dial(t.Context(), "192.168.77.12:10250")
	if err != nil {
		t.Fatal(err)
	}
	converse(t, conn)
	if _, err := r.dial(t.Context(), "192.168.77.11:10250"); err == nil {
		t.Fatal("another node answered for it")
	}
}

func TestOtherAddressesGoThroughAnyNodeThatAnswers(t *testing.T) {
	r := router{nodes: []node{
		{"192.168.77.11", silent(t)}, {"192.168.77.12", proxy(t, "")}, {"192.168.77.13", proxy(t, echo(t))},
	}}
	started := time.Now()
	conn, err := r.dial(t.Context(), "10.96.0.10:53")
	if err != nil {
		t.Fatal(err)
	}
	converse(t, conn)
	if elapsed := time.Since(started); elapsed < patience || elapsed > 2*patience {
		t.Fatalf("took %v", elapsed)
	}
	started = time.Now()
	conn, err = r.dial(t.Context(), "10.96.0.10:53")
	if err != nil {
		t.Fatal(err)
	}
	converse(t, conn)
	if elapsed := time.Since(started); elapsed > time.Second {
		t.Fatalf("did not remember who answered: took %v", elapsed)
	}
}

func TestWhenNoNodeAnswersEachSaysWhy(t *testing.T) {
	r := router{nodes: []node{{"192.168.77.11", proxy(t, "")}, {"192.168.77.12", proxy(t, "")}}}
	_, err := r.dial(t.Context(), "10.96.0.10:53")
	if err == nil || !strings.Contains(err.Error(), "192.168.77.11") || !strings.Contains(err.Error(), "192.168.77.12") {
		t.Fatalf("error %v", err)
	}
}

func TestSummaryCountsOutages(t *testing.T) {
	start := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	at := func(second int, ok bool, reason string) outcome {
		return outcome{Time: start.Add(time.Duration(second) * time.Second), OK: ok, Node: "node1", Error: reason}
	}
	// The slow failure of second 1 came in last: outages go by when requests were sent.
	s := summarize("u", start, start.Add(9*time.Second), []outcome{
		at(0, true, ""), at(2, false, "b"), at(3, true, ""), at(8, false, "c"), at(1, false, "a"),
	})
	if s.Requests != 5 || s.OK != 2 || s.Failed != 3 || s.Nodes["node1"] != 2 {
		t.Fatalf("%+v", s)
	}
	if len(s.Outages) != 2 || s.Outages[0].Seconds != 2 || s.Outages[0].Failed != 2 || s.Outages[0].Error != "a" {
		t.Fatalf("%+v", s.Outages)
	}
	if s.Outages[1].Seconds != 1 {
		t.Fatalf("the last outage lasts to the end: %+v", s.Outages[1])
	}
}

func TestReviewAsksForTheLabel(t *testing.T) {
	request := &admissionRequest{UID: "1", Namespace: "shop"}
	request.Object.Metadata.GenerateName = "web-"
	refused := review(request)
	if refused.Allowed || !strings.Contains(refused.Status.Message, `pod shop/web-* has no label "app"`) {
		t.Fatalf("%+v", refused)
	}
	request.Object.Metadata.Labels = map[string]string{"app": "web"}
	if allowed := review(request); !allowed.Allowed || allowed.UID != "1" {
		t.Fatalf("%+v", allowed)
	}
}

func TestCounterOutlivesItsProcess(t *testing.T) {
	folder := t.TempDir()
	first, err := openCounter(folder)
	if err != nil {
		t.Fatal(err)
	}
	first.increment()
	first.increment()
	again, err := openCounter(folder)
	if err != nil || again.get() != 2 {
		t.Fatalf("%d, %v", again.get(), err)
	}
	os.WriteFile(filepath.Join(folder, "counter"), []byte("rubbish"), 0o644)
	if _, err := openCounter(folder); err == nil {
		t.Fatal("a broken counter was taken for zero")
	}
}

func TestSourcesAreTheHeadersAndTheProgram(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"prog.c", "lib/a.h", "lib/a.o", "state/config.h"} {
		path := filepath.Join(folder, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, nil, 0o644)
	}
	got := sources([]string{"-I" + folder + "/lib", "-I" + folder + "/lib", "-c", folder + "/prog.c", "-o", "-", "-I/no/such"})
	want := []string{folder + "/lib/a.h", folder + "/prog.c"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("%v", got)
	}
}
