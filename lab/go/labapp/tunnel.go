// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A dialer opens a connection to address ("host:port").
type dialer func(ctx context.Context, address string) (net.Conn, error)

const (
	handshakeTimeout = 10 * time.Second
	dialTimeout      = 10 * time.Second
)

// serveConnect answers HTTP CONNECT requests on each listener with connections from dial, until ctx ends.
// A refusal is 502 with the reason as its body.
func serveConnect(ctx context.Context, listeners []net.Listener, dial dialer) error {
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		stop := context.AfterFunc(ctx, func() { listener.Close() })
		defer stop()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					failed <- err
					return
				}
				go tunnel(ctx, conn, dial)
			}
		}()
	}
	err := <-failed
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tunnel serves one client: reads its CONNECT request, dials, and copies both ways until both sides are done.
func tunnel(ctx context.Context, client net.Conn, dial dialer) {
	defer client.Close()
	client.SetReadDeadline(time.Now().Add(handshakeTimeout))
	reader := bufio.NewReader(client)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	client.SetReadDeadline(time.Time{})
	if request.Method != http.MethodConnect {
		refuse(client, http.StatusMethodNotAllowed, "only CONNECT is served here")
		return
	}
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	target, err := dial(dialing, request.Host)
	if err != nil {
		log.Printf("CONNECT %s: %v", request.Host, err)
		refuse(client, http.StatusBadGateway, err.Error())
		return
	}
	defer target.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { copyHalf(target, reader) })
	both.Go(func() { copyHalf(client, target) })
	both.Wait()
}

// copyHalf copies one direction to its end and passes the end on, so that half-closed connections work.
func copyHalf(to net.Conn, from io.Reader) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		half.CloseWrite()
		return
	}
	to.Close()
}

func refuse(client net.Conn, code int, reason string) {
	fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		code, http.StatusText(code), len(reason), reason)
}

// dialThrough opens a connection to address through the CONNECT proxy at network, proxy ("unix" and a path, "tcp" and
// host:port). The context bounds the dialing and the handshake.
func dialThrough(ctx context.Context, network, proxy, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, proxy)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	reader, err := handshake(conn, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("through %s: %w", proxy, err)
	}
	return &bufferedConn{conn, reader}, nil
}

func handshake(conn net.Conn, address string) (*bufio.Reader, error) {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		if text := strings.TrimSpace(string(reason)); text != "" {
			return nil, errors.New(text)
		}
		return nil, errors.New(response.Status)
	}
	return reader, nil
}

// bufferedConn is a connection whose first bytes may already have been read with the proxy's answer.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

func (c *bufferedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}
