// Package lab is where tests run the real program beside real TFTP servers.
//
// Main (namespaces.go) runs the tests of a package in a second process with a
// network, a process table and mounts of their own, so that servers may have
// their well-known ports, a file system may be made full or read-only, and
// nothing is left over however a run ends: the kernel ends what is in a process
// table with the first of its processes. Where that is not allowed, the tests
// that need it are skipped aloud (NeedNamespaces).
//
// process.go starts programs and waits for what they say. site.go is a TFTP root
// with a configuration file, and a server of ours on it. tftp.go has the TFTP
// servers of others, and a client. bmc.go has BMCs, simulated ones and those of
// others, and lan.go a network to look for them in. sandbox.go is a copy of this
// machine's file system to make a mess of, and console.go plays the sessions that
// documents show.
//
// A site may have machines that really boot. bootsite.go gives it a network with
// DHCP, or dhcp.go a DHCP server that a document describes, and machine.go an
// emulated machine: turn it on, and want a boot. What machines
// boot is in systems.go; it says on the serial line which command line it was given,
// and so which configuration the loader read. capture.go sees each request for a
// file on the wire, and explained.go compares them with what the program said
// beforehand. A case is a page:
//
//	site := lab.NewBootSite(t, lab.TftpdSecure, "dhcp-boot=pxelinux.0")
//	site.Put(t, ".", "/usr/lib/PXELINUX/pxelinux.0", "/usr/lib/syslinux/modules/bios/ldlinux.c32")
//	site.Configure(t, "A", "DEFAULT a\nLABEL a\n  KERNEL mark\n  APPEND marker=A\n")
//	m := site.Machine(t, "h1", lab.BIOS, lab.NICs(2))
//	server := site.Serve(t)
//	lab.PxePilot(t, "-s", server.URL, "config", "deploy", "A", "h1")
//	explained := m.Explain(t, server)
//	m.PowerOn(t)
//	m.Boots(t, "A")
//	m.AsExplained(t, explained)
//
// All sites are in the one network namespace of the run, each with a bridge, a
// subnet and MAC addresses that do not meet those of others, so that several may be
// there at once. Nothing of that has a name outside, and so there is nothing to
// clean up after a run that was killed but its directory, which the next one
// removes. Machines are emulated without the help of the processor: what runs here
// runs wherever these tests may have namespaces.
//
// What a test that failed leaves to be read (its machines' serial lines and requests,
// and what each program said) is kept; the test says where.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// prefix begins the names of the directories of runs.
const prefix = "pxe-pilot-lab-"

// Program is the path of the pxe-pilot that Main built, as "make build" does.
func Program() string { return program }

var program string

// Version is what Program says its version is.
const Version = "1.2.3-lab"

// build builds the program into dir.
func build(dir string) error {
	program = filepath.Join(dir, "pxe-pilot")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+Version,
		"-o", program, "github.com/pxe-pilot/pxe-pilot/cmd/pxe-pilot")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// makeDir makes the directory of this run, which goes with close, and removes
// those of runs that were killed: the lock on a directory ends with its run.
func makeDir() (dir string, close func() error, err error) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return "", nil, err
	}
	for _, d := range left {
		if f, err := lock(d); err == nil {
			err = errors.Join(os.RemoveAll(d), f.Close())
			if err != nil {
				return "", nil, fmt.Errorf("what a killed run left cannot be removed: %w", err)
			}
		}
	}
	dir, err = os.MkdirTemp("", prefix)
	if err != nil {
		return "", nil, err
	}
	f, err := lock(dir)
	if err != nil {
		return "", nil, err
	}
	// TFTP servers read it as users of their own.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, err
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), f.Close()) }, nil
}

func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Dir makes a directory of the test's own that everybody can enter, as TFTP
// servers must; those of testing.T are closed to them.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv(dirVariable), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Patience is how long the lab waits for what must come. It is long, for
// machines that run tests are busy; nothing waits for it to pass.
const Patience = 30 * time.Second

// Until waits until done says so, and looks often: for what nobody announces.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(Patience)
	for !done() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited %v in vain until %s", Patience, what)
		}
	}
}

// Write makes a file, readable by all whatever the umask, with the directories
// that lead to it.
func Write(t testing.TB, path, text string) {
	t.Helper()
	MakeDir(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

// MakeDir makes a directory and those that lead to it.
func MakeDir(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// Link makes a symbolic link as a person does, with the directories that lead to it.
func Link(t testing.TB, text, path string) {
	t.Helper()
	MakeDir(t, filepath.Dir(path))
	if err := os.Symlink(text, path); err != nil {
		t.Fatal(err)
	}
}

// Read returns the content of a file, through links.
func Read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines splits a text, without the newline at its end.
func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
