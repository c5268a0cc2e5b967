// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	realClang    = "/usr/lib/lab/clang"         // link to the image's own compiler
	clangVersion = "/usr/lib/lab/clang-version" // what its --version says, noted when the image was built
	serverEnv    = "LAB_COMPILE_SERVER"         // HOST:PORT of the compile server; unset: none
)

// clang stands in for the compiler in the lab's Cilium image, for speed only: under emulation a datapath program takes
// a minute to compile, and on the host, where the lab runs the image's very own clang natively, four seconds.
// Whatever the compiler says there comes back as it is: output, messages, exit code. When the server does not answer, or
// the command line is not one that it takes, the image's own clang compiles.
func clang(ctx context.Context, arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "--version" {
		if text, err := os.ReadFile(clangVersion); err == nil {
			_, err = os.Stdout.Write(text)
			return err
		}
	}
	if server := os.Getenv(serverEnv); server != "" {
		result, err := compileAt(ctx, server, arguments)
		if err == nil {
			os.Stderr.Write(result.messages)
			os.Stdout.Write(result.object)
			os.Exit(result.code)
		}
		fmt.Fprintf(os.Stderr, "labapp clang: compile server %s: %v; the image's own clang compiles\n", server, err)
	}
	return syscall.Exec(realClang, append([]string{"clang"}, arguments...), os.Environ())
}

type compiled struct {
	code             int
	object, messages []byte
}

// compileAt sends one tar: the member "argv" (arguments, each ended by a NUL) and the sources under their absolute
// paths. The answer is a tar as well: "exit" (a decimal), "stdout", "stderr".
func compileAt(ctx context.Context, server string, arguments []string) (*compiled, error) {
	body, err := pack(arguments)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+server+"/compile", body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-tar")
	asker := &http.Client{
		Timeout:   2 * time.Minute,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext},
	}
	response, err := asker.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return nil, fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(reason))
	}
	return unpack(response.Body)
}

func unpack(body io.Reader) (*compiled, error) {
	members := map[string][]byte{}
	for reader := tar.NewReader(body); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if members[header.Name], err = io.ReadAll(reader); err != nil {
			return nil, err
		}
	}
	code, err := strconv.Atoi(string(members["exit"]))
	if err != nil {
		return nil, fmt.Errorf("no exit code in the answer: %w", err)
	}
	return &compiled{code, members["stdout"], members["stderr"]}, nil
}

func pack(arguments []string) (*bytes.Buffer, error) {
	var body bytes.Buffer
	writer := tar.NewWriter(&body)
	add := func(name string, content []byte) error {
		if err := writer.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}); err != nil {
			return err
		}
		_, err := writer.Write(content)
		return err
	}
	if err := add("argv", []byte(strings.Join(arguments, "\x00")+"\x00")); err != nil {
		return nil, err
	}
	for _, path := range sources(arguments) {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the agent tidies its state folder while others compile
		}
		if err != nil {
			return nil, err
		}
		if err := add(strings.TrimPrefix(path, "/"), content); err != nil {
			return nil, err
		}
	}
	return &body, writer.Close()
}

// sources lists what a compilation may read: the C files and headers under each -I folder, and the source files named.
func sources(arguments []string) []string {
	var files []string
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			files = append(files, path)
		}
	}
	for _, argument := range arguments {
		folder, include := strings.CutPrefix(argument, "-I")
		if !include {
			if isSource(argument) && filepath.IsAbs(argument) {
				add(filepath.Clean(argument))
			}
			continue
		}
		filepath.WalkDir(filepath.Clean(folder)+"/", func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && isSource(path) {
				add(filepath.Clean(path))
			}
			return nil
		})
	}
	return files
}

func isSource(path string) bool {
	return strings.HasSuffix(path, ".c") || strings.HasSuffix(path, ".h")
}
