// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// connect is the node's end of the tunnel: whatever the node can reach (Services, pods, itself) can be dialled.
func connect(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("connect", flag.ExitOnError)
	listen := flags.String("listen", ":1080", "address to listen on")
	flags.Parse(arguments)

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	return serveConnect(ctx, []net.Listener{listener}, func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	})
}

// egress is the host's end: it dials through the nodes, as the API server's egress selector (HTTPConnect) asks for.
func egress(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("egress", flag.ExitOnError)
	socket := flags.String("socket", "", "path of the unix socket to listen on")
	listen := flags.String("listen", "", "TCP address to listen on as well")
	var through router
	flags.Func("node", "ADDRESS=HOST:PORT of a node and its connect proxy; once for each node", through.add)
	flags.Parse(arguments)

	if len(through.nodes) == 0 {
		return errors.New("at least one -node is needed")
	}
	var listeners []net.Listener
	if *socket != "" {
		if err := os.Remove(*socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		listener, err := net.Listen("unix", *socket)
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	if *listen != "" {
		listener, err := net.Listen("tcp", *listen)
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	if len(listeners) == 0 {
		return errors.New("one of -socket and -listen is needed")
	}
	return serveConnect(ctx, listeners, through.dial)
}

// patience is how long a node may keep an address to itself before the next node is asked as well.
const patience = 2 * time.Second

// A router chooses the node through which an address is dialled.
type router struct {
	nodes     []node
	preferred atomic.Int64 // index of the node that answered last
}

type node struct{ address, proxy string }

func (r *router) add(text string) error {
	address, proxy, found := strings.Cut(text, "=")
	if !found || net.ParseIP(address) == nil {
		return fmt.Errorf("%q is not of the form ADDRESS=HOST:PORT", text)
	}
	r.nodes = append(r.nodes, node{address, proxy})
	return nil
}

// dial goes through the node itself when it is a node's address, else through any node that answers.
//
// The one that answered last is asked first. Each further node is asked when the one before failed or was silent for
// two seconds (a node that is down accepts nothing but refuses nothing either, behind QEMU's port forwarding); the
// first connection wins. The error names what every node said.
func (r *router) dial(ctx context.Context, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	for _, node := range r.nodes {
		if node.address == host {
			return dialThrough(ctx, "tcp", node.proxy, address)
		}
	}
	return r.race(ctx, address)
}

type attempt struct {
	index int
	conn  net.Conn
	err   error
}

func (r *router) race(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan attempt)
	first := int(r.preferred.Load())
	started, ended := 0, 0
	begin := func() {
		index := (first + started) % len(r.nodes)
		started++
		go func() {
			conn, err := dialThrough(ctx, "tcp", r.nodes[index].proxy, address)
			results <- attempt{index, conn, err}
		}()
	}
	// Those still dialling are told to stop; should one succeed all the same, its connection is closed.
	defer func() {
		cancel()
		go func() {
			for ; ended < started; ended++ {
				if late := <-results; late.conn != nil {
					late.conn.Close()
				}
			}
		}()
	}()
	begin()
	var reasons []string
	for ended < len(r.nodes) {
		select {
		case result := <-results:
			ended++
			if result.err == nil {
				r.preferred.Store(int64(result.index))
				return result.conn, nil
			}
			reasons = append(reasons, fmt.Sprintf("%s: %v", r.nodes[result.index].address, result.err))
			if started < len(r.nodes) {
				begin()
			}
		case <-time.After(patience):
			if started < len(r.nodes) {
				begin()
			}
		}
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}
