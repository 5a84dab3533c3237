package pilot

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A fakeDisk is a TFTP root in which PXELINUX boots every host. A file holds the
// name of the configuration that it is, and perhaps more.
type fakeDisk struct {
	mu       sync.Mutex
	files    map[string]string
	parts    []string // that go with the hosts' own files
	deployed string   // to every host
	looks    int      // how often it was explained
	looked   func()   // after each
	fails    error
}

func (d *fakeDisk) put(path, content string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[path] = content
}

// own is the name of a host's own.
func own(h *pxepilot.Host) string { return "pxelinux.cfg/01-" + h.MACs[0].Dashed() }

func (d *fakeDisk) Explain(_ context.Context, _ *pxepilot.Inventory, hosts []*pxepilot.Host) ([]pxepilot.Explanation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails != nil {
		return nil, d.fails
	}
	d.looks++
	var all []pxepilot.Explanation
	for _, h := range hosts {
		s := pxepilot.Search{Bootloader: "pxelinux", MAC: h.MACs[0], Naming: pxepilot.BesideBoot, Wins: -1, InChroot: -1}
		for i, paths := range [][]string{{"pxelinux.cfg/uuid-a-" + h.Name, "pxelinux.cfg/uuid-b-" + h.Name}, {own(h)}, nil, {"pxelinux.cfg/default"}} {
			a := pxepilot.Ask{Paths: paths, Found: pxepilot.Absent, Unknown: paths == nil}
			if len(paths) > 0 && paths[0] == own(h) {
				a.Parts = d.parts
			}
			if paths == nil { // that of some address
				a.Paths = []string{"pxelinux.cfg/0A000001"}
			}
			for _, p := range slices.Backward(a.Paths) {
				content, ok := d.files[p]
				switch {
				case !ok:
				case strings.HasPrefix(content, "closed "):
					a.Found, a.Path, a.Configuration = pxepilot.Unreadable, p, strings.TrimPrefix(content, "closed ")
				case strings.HasPrefix(content, "absolute "):
					a.Found, a.Path = pxepilot.Unchrooted, p
				default:
					a.Found, a.Path = pxepilot.Readable, p
				}
			}
			s.Asks = append(s.Asks, a)
			if s.Wins < 0 && !a.Unknown && (a.Found == pxepilot.Readable || a.Found == pxepilot.Unchrooted) {
				s.Wins = i
				s.Configuration, _, _ = strings.Cut(strings.TrimPrefix(d.files[a.Path], "absolute "), " ")
			}
		}
		if s.Asks[1].Found == pxepilot.Unreadable {
			s.Reasons = []string{"its own is closed"}
		}
		if s.Wins == 0 {
			s.Reasons = []string{"the file of its UUID comes first; remove it"}
		}
		all = append(all, pxepilot.Explanation{Status: &pxepilot.HostStatus{Host: h, Configuration: d.deployed}, Searches: []pxepilot.Search{s}})
	}
	if d.looked != nil {
		defer d.looked()
	}
	return all, nil
}

func (d *fakeDisk) Open(ctx context.Context, path string) (*pxepilot.File, error) {
	d.mu.Lock()
	closed := strings.HasPrefix(d.files[path], "closed ")
	d.mu.Unlock()
	if closed {
		return nil, pxepilot.Errorf(pxepilot.Forbidden, "%s is closed to others", path)
	}
	return d.OpenClosed(ctx, path)
}

func (d *fakeDisk) OpenClosed(ctx context.Context, path string) (*pxepilot.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	content, ok := d.files[path]
	if !ok {
		return nil, pxepilot.Errorf(pxepilot.NotFound, "%s is not there", path)
	}
	return &pxepilot.File{ReadSeekCloser: readable{strings.NewReader(content)}}, nil
}

// A fakeServer is a TFTP server of files of its own, or of the disk's.
type fakeServer struct {
	address string
	disk    *fakeDisk // nil for files of its own

	mu     sync.Mutex
	files  map[string]string
	fails  map[string]error // by path
	silent bool             // it does not answer
	slow   time.Duration    // until it answers
	asked  []string
	before func(path string) // it looks
}

func (s *fakeServer) Address() string { return s.address }

// patience is how long a server is waited for that does not answer.
const patience = 4 * time.Second

func (s *fakeServer) Fetch(ctx context.Context, path string, naming pxepilot.Naming, limit int64) ([]byte, error) {
	if s.before != nil {
		s.before(path)
	}
	s.mu.Lock()
	s.asked = append(s.asked, path)
	files, err, silent, wait := s.files, s.fails[path], s.silent, s.slow
	s.mu.Unlock()
	if s.disk != nil {
		s.disk.mu.Lock()
		files = maps.Clone(s.disk.files)
		s.disk.mu.Unlock()
	}
	if silent {
		wait = patience
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	content, ok := files[path]
	switch {
	case silent:
		return nil, pxepilot.Errorf(pxepilot.Unavailable, "TFTP server %s does not answer", s.address)
	case err != nil:
		return nil, err
	case !ok || naming != pxepilot.BesideBoot:
		return nil, pxepilot.Errorf(pxepilot.NotFound, "not found")
	case int64(len(content)) > limit:
		return nil, pxepilot.Errorf(pxepilot.TooLarge, "more than %d bytes", limit)
	}
	return []byte(content), nil
}

func (s *fakeServer) wasAsked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// newVerified is newPowered with a disk on which every host boots "ubuntu", and
// with servers that serve it.
func newVerified(t *testing.T, machines ...*fakeMachine) (*Pilot, *Site, *fakePower, *fakeDisk) {
	t.Helper()
	p, power, _ := newPowered(t, machines...)
	site := p.site()
	disk := &fakeDisk{files: map[string]string{"pxelinux.cfg/default": "local"}}
	for _, h := range site.Inventory.Hosts() {
		disk.files[own(h)] = "ubuntu"
	}
	site.Explainer, site.Files = disk, disk
	site.Servers = []TFTPServer{&fakeServer{address: "10.0.0.2:69", disk: disk}}
	return p, site, power, disk
}

func ptr[T any](v T) *T { return &v }
