// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The first serial port is the kernel's console.
const reportPort = "/dev/ttyS1"

// runInit boots the guest, has everything loaded, and switches off. It never returns.
func runInit() {
	defer reboot()
	mount()
	port, err := openPort(reportPort)
	if err != nil {
		fmt.Println("loader:", err)
		return
	}
	read, err := readManifest()
	boot := line{Kind: kindBoot, Seconds: uptime()}
	if err != nil {
		boot.Error = "the manifest could not be read: " + err.Error()
	}
	boot.Release, boot.Version, boot.Machine = names()
	_, err = os.Stat("/sys/kernel/btf/vmlinux")
	boot.BTF = err == nil
	boot.Sysctls = setSysctls(read.Sysctls)
	log := openKernelLog()
	boot.Splats = log.splats()
	write(port, boot)

	for at, more := read.Begin, read.Begin.Object < len(read.Objects); more; {
		at, more = supervise(port, log, at, read)
	}
	write(port, line{Kind: kindEnd, Seconds: uptime()})
}

// supervise runs a child from a place on, and passes its lines on. It returns where the next child has to begin, and
// whether there has to be one.
func supervise(port *os.File, log *kernelLog, at place, read manifest) (place, bool) {
	child := exec.Command("/proc/self/exe", childWord, fmt.Sprintf("%d/%d", at.Object, at.Program))
	out, err := child.StdoutPipe()
	if err != nil {
		write(port, line{Kind: kindCrash, Error: err.Error()})
		return at, false
	}
	var said strings.Builder
	child.Stderr = &said
	if err := child.Start(); err != nil {
		write(port, line{Kind: kindCrash, Error: err.Error()})
		return at, false
	}
	limit := time.Duration(read.ProgramSeconds * float64(time.Second))
	late := time.AfterFunc(limit, func() { _ = child.Process.Kill() })
	var last line
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		late.Reset(limit)
		var now line
		if json.Unmarshal(lines.Bytes(), &now) != nil {
			continue // it was killed in the middle of a line: what it was at is known from the line before
		}
		last = now
		_, _ = port.Write(append(lines.Bytes(), '\n'))
		complain(port, log, last)
	}
	expired := !late.Stop()
	if child.Wait() == nil {
		return at, false
	}
	crash := line{Kind: kindCrash, place: last.place, Object: last.Object, Program: last.Program}
	crash.Error = why(child.ProcessState, said.String())
	if expired {
		crash.Error = fmt.Sprintf("did not finish within %g s", read.ProgramSeconds)
		crash.Late, crash.Seconds = true, read.ProgramSeconds
	}
	write(port, crash)
	complain(port, log, last)
	next := behind(last, at)
	return next, next.Object < len(read.Objects)
}

// behind returns where the next child begins, after one that began at a place and ended with this line as its last.
func behind(last line, began place) place {
	switch last.Kind {
	case "":
		return place{began.Object + 1, 0} // it never came to say anything
	case kindObject:
		return place{last.place.Object + 1, 0} // it fell over the object as a whole
	default:
		return place{last.place.Object, last.place.Program + 1}
	}
}

// complain passes on what the kernel has said of itself meanwhile, with what it was given last.
func complain(port *os.File, log *kernelLog, last line) {
	if found := log.splats(); len(found) > 0 {
		write(port, line{Kind: kindSplat, Object: last.Object, Program: last.Program, Splats: found})
	}
}

func why(state *os.ProcessState, said string) string {
	words := strings.Split(strings.TrimSpace(said), "\n")
	return fmt.Sprintf("the loader crashed on it (%s): %s", state, words[0])
}

func mount() {
	for _, each := range []struct{ kind, path string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"bpf", "/sys/fs/bpf"},
		{"tracefs", "/sys/kernel/tracing"}, {"cgroup2", "/sys/fs/cgroup"}, {"tmpfs", "/tmp"},
	} {
		_ = os.MkdirAll(each.path, 0o755)
		if err := unix.Mount(each.kind, each.path, each.kind, 0, ""); err != nil && err != unix.EBUSY {
			fmt.Printf("loader: mount %s: %v\n", each.path, err)
		}
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0o644)
}

// openPort opens a serial port for lines as they are: no echo, no translation.
func openPort(path string) (*os.File, error) {
	port, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
	settings.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	return port, unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, settings)
}

func names() (release, version, machine string) {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return
	}
	return unix.ByteSliceToString(name.Release[:]), unix.ByteSliceToString(name.Version[:]), unix.ByteSliceToString(name.Machine[:])
}

func setSysctls(wanted map[string]string) map[string]string {
	unset := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if err := os.WriteFile(sysctlPath(name), []byte(wanted[name]), 0o644); err != nil {
			unset[name] = err.Error()
		}
	}
	return unset
}

// sysctlPath returns the file of a sysctl(8) name; it never leaves /proc/sys.
func sysctlPath(name string) string {
	return filepath.Join("/proc/sys", strings.ReplaceAll(filepath.Clean("/"+name), ".", "/"))
}

func uptime() float64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return float64(now.Nano()) / 1e9
}

// reboot ends the guest: QEMU is told to exit where a machine would reboot.
func reboot() {
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	select {}
}
