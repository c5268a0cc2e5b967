// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

// Command labapp is what the lab's cluster runs and what reaches into it, in one static program without dependencies:
// the pause container, a web server, a stateful store, an admission webhook, the tunnel between the host and the pod
// network, a client that measures availability, and the front of the compile server. Its first argument (or the name
// that it is called by) chooses.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A mode runs until its work is done or the context ends (on SIGTERM or SIGINT), and parses its own flags.
type mode struct {
	run   func(ctx context.Context, arguments []string) error
	about string
}

var modes = map[string]mode{
	"pause":   {pause, "hold a pod's namespaces and reap its orphans"},
	"web":     {web, "answer with the names of the pod and its node"},
	"store":   {store, "serve a counter that is kept in a file"},
	"webhook": {webhook, "validate that pods carry the label app"},
	"connect": {connect, "HTTP CONNECT proxy of a node, the way into the pod network"},
	"egress":  {egress, "HTTP CONNECT proxy of the host, which dials through a node"},
	"client":  {client, "ask a URL all the time and say how often it failed"},
	"clang":   {clang, "compile on the lab's compile server, else with the real clang"},
}

func main() {
	name, arguments := filepath.Base(os.Args[0]), os.Args[1:]
	if _, known := modes[name]; !known && len(arguments) > 0 {
		name, arguments = arguments[0], arguments[1:]
	}
	chosen, known := modes[name]
	if !known {
		usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := chosen.run(ctx, arguments); err != nil {
		fmt.Fprintf(os.Stderr, "labapp %s: %v\n", name, err)
		os.Exit(1)
	}
}

func usage() {
	var lines []string
	for name, mode := range modes {
		lines = append(lines, fmt.Sprintf("  %-8s %s", name, mode.about))
	}
	slices.Sort(lines)
	fmt.Fprintf(os.Stderr, "usage: labapp MODE [flags]; labapp MODE -h\n%s\n", strings.Join(lines, "\n"))
}
