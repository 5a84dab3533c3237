package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/app"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

func switches() int {
	if testenv.Soak() {
		return 10_000
	}
	return 1_000
}

// While a host is switched to and fro, machines that ask for its file all the
// time, by either card, get one configuration or the other, whole, every time.
func TestSwitchUnderTFTPReaders(t *testing.T) {
	for _, server := range tftpServers[:2] {
		t.Run(server.name, func(t *testing.T) {
			host := lab.Hosts(1, 2)[0]
			site := newSite(t, host)
			pilot := site.Serve(t)
			deploy(t, pilot, "local", host)
			tftp := server.start(t, site.Root)
			readers := make([]func() (string, error), len(host.MACs))
			for i, mac := range host.MACs {
				machine := tftp.Client(t)
				readers[i] = func() (string, error) { return machine.Get(lab.Name(mac)) }
			}
			switchUnder(t, pilot.Client, host, readers)
		})
	}
}

// The same with the server and the readers in this process, under the race
// detector.
func TestSwitchUnderReadersInProcess(t *testing.T) {
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	c := serveInProcess(t, site)
	if _, err := c.Deploy(t.Context(), "local", apiv1.Change{Hosts: refs(host)}); err != nil {
		t.Fatal(err)
	}
	turn := 0
	readers := []func() (string, error){func() (string, error) {
		turn++
		text, err := os.ReadFile(site.Link(host.MACs[turn%2]))
		return string(text), err
	}}
	// And one asks the API.
	readers = append(readers, func() (string, error) {
		h, err := c.Host(t.Context(), host.Name)
		if err != nil {
			return "", err
		}
		if h.Configuration == nil {
			return "", fmt.Errorf("the host is %s", h.State)
		}
		return contents[h.Configuration.Name], nil
	})
	switchUnder(t, c, host, readers)
}

// The readers of these tests would notice: what switches by removing the link
// and making it anew is caught.
func TestReadersNoticeRemovedLinks(t *testing.T) {
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	link := site.Link(host.MACs[0])
	lab.Link(t, "conf/local", link)
	a := watch(t, []func() (string, error){func() (string, error) {
		text, err := os.ReadFile(link)
		return string(text), err
	}})
	defer a.end()
	lab.Until(t, "a read fails", func() bool {
		for range 100 {
			if err := errors.Join(os.Remove(link), os.Symlink("conf/install", link)); err != nil {
				t.Fatal(err)
			}
		}
		return a.failed.Load() > 0
	})
}

// switchUnder switches a host while readers read it.
func switchUnder(t *testing.T, c *client.Client, host lab.Host, readers []func() (string, error)) {
	t.Helper()
	a := watch(t, readers)
	defer a.end()
	for n := range switches() {
		to := [...]string{"install", "local"}[n%2]
		if _, err := c.Deploy(t.Context(), to, apiv1.Change{Hosts: refs(host)}); err != nil {
			t.Fatalf("switch %d: %v", n, err)
		}
	}
	a.end()
	t.Logf("%d switches, %d reads: %d failed, %d mixed", switches(), a.reads.Load(), a.failed.Load(), a.mixed.Load())
	if a.reads.Load() < int64(switches())/4 { // tftpd-hpa starts a process for each
		t.Errorf("only %d reads: that proves little", a.reads.Load())
	}
	if a.failed.Load()+a.mixed.Load() > 0 {
		t.Errorf("the first of them: %v", a.first.Load())
	}
}

// An audience reads, as fast as it can, what always is one of contents.
type audience struct {
	reads, failed, mixed atomic.Int64
	first                atomic.Value // string: what was wrong first

	stop context.CancelFunc
	wg   sync.WaitGroup
}

func watch(t *testing.T, readers []func() (string, error)) *audience {
	ctx, stop := context.WithCancel(t.Context())
	a := &audience{stop: stop}
	for i, read := range readers {
		a.wg.Go(func() {
			for ctx.Err() == nil {
				text, err := read()
				if ctx.Err() != nil { // it may have been cut off by the end
					return
				}
				a.reads.Add(1)
				switch {
				case err != nil:
					a.failed.Add(1)
					a.first.CompareAndSwap(nil, fmt.Sprintf("reader %d: %v", i, err))
				case text != contents["local"] && text != contents["install"]:
					a.mixed.Add(1)
					a.first.CompareAndSwap(nil, fmt.Sprintf("reader %d got %d bytes of neither configuration", i, len(text)))
				}
			}
		})
	}
	return a
}

func (a *audience) end() {
	a.stop()
	a.wg.Wait()
}

// serveInProcess starts a server in this process and waits until it answers.
func serveInProcess(t *testing.T, site *lab.Site) *client.Client {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	s := &app.Server{
		Config: site.File,
		State:  site.State,
		Log:    slog.New(slog.DiscardHandler),
		Ready:  func(url string, _ *pilot.Pilot) { ready <- url },
	}
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case url := <-ready:
		c, err := client.New(url)
		if err != nil {
			t.Fatal(err)
		}
		return c
	case err := <-ended:
		ended <- err
		t.Fatal("the server ended before it was ready")
	}
	return nil
}
