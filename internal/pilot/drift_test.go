package pilot

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// all sets every link of a host by hand.
func (r *linkRoot) all(host, text string) {
	for _, m := range r.inv.ByName(host).MACs {
		for _, l := range r.loaders {
			r.set(linkPath(l, m), text)
		}
	}
}

func TestDrift(t *testing.T) {
	const start = "deploy by api: done, a none>local, b none>local"
	for _, tt := range []struct {
		name string
		does func(s *bookSite)
		want []string
	}{
		{"nothing", func(*bookSite) {}, nil},
		{"to a configuration", func(s *bookSite) { s.root.all("a", "ubuntu") }, []string{"hand by hand: done, a local>ubuntu"}},
		{"several hosts", func(s *bookSite) { s.root.all("a", "debian"); s.root.all("c", "debian") },
			[]string{"hand by hand: done, a local>debian, c none>debian"}},
		{"one link", func(s *bookSite) { s.root.put("a", "ubuntu") }, []string{"hand by hand: done, a local>mixed !"}},
		{"a link that goes", func(s *bookSite) { s.root.put("a", "") }, []string{"hand by hand: done, a local>local partly"}},
		{"a link to nothing", func(s *bookSite) { s.root.put("c", "nowhere") }, []string{"hand by hand: done, c none>dangling !"}},
		{"a file in a link's place", func(s *bookSite) { s.root.put("c", "file") }, []string{"hand by hand: done, c none>unmanaged !"}},
		{"before a change of ours", func(s *bookSite) {
			s.root.all("a", "debian")
			s.must("ubuntu", "a", "b")
		}, []string{"hand by hand: done, a local>debian", "deploy by api: done, a debian>ubuntu, b local>ubuntu"}},
		{"while the server was down", func(s *bookSite) {
			s.root.all("b", "debian")
			s.start()
		}, []string{"hand by hand: done, b local>debian (while the server was down)"}},
		{"a host that comes", func(s *bookSite) {
			s.root.describe("a", "b", "c", "d")
			s.root.all("d", "ubuntu")
		}, nil},
		{"a host that goes and comes back as another", func(s *bookSite) {
			s.root.describe("b", "c")
			s.look()
			s.root.describe("a", "b", "c")
			s.root.all("a", "ubuntu")
		}, nil},
		{"a host that gets another card", func(s *bookSite) {
			s.root.inv.ByName("a").MACs = append(s.root.inv.ByName("a").MACs, pxepilot.MAC{9})
			s.root.view = nil
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newBookSite(t, "a", "b", "c")
			s.must("local", "a", "b")
			tt.does(s)
			was := s.root.boots()
			s.look()
			s.tells(append([]string{start}, tt.want...)...)
			s.boots(was)
			writes := s.journal.writes
			s.look()
			s.look()
			if s.journal.writes != writes {
				t.Error("something is written though nothing changed")
			}
		})
	}
}

// What could not be written is not lost.
func TestDriftIsWrittenLater(t *testing.T) {
	s := newBookSite(t, "a")
	s.must("local", "a")
	s.journal.fails = pxepilot.Errorf(pxepilot.Unavailable, "full")
	s.root.all("a", "ubuntu")
	s.look()
	if _, err := s.deploy("debian", "a"); err == nil {
		t.Error("a change was made")
	}
	s.journal.fails = nil
	s.look()
	s.tells("deploy by api: done, a none>local", "hand by hand: done, a local>ubuntu")
}

func TestContents(t *testing.T) {
	const start = "deploy by api: done, a none>local, b none>local"
	for _, tt := range []struct {
		name string
		does func(s *bookSite)
		want []string
	}{
		{"used", func(s *bookSite) { s.root.write("local", "new") },
			[]string{"content by hand: done, a local>local, b local>local (changed for grub and pxelinux, used by 2 hosts) !"}},
		{"unused", func(s *bookSite) { s.root.write("debian", "new") },
			[]string{"content by hand: done (changed for grub and pxelinux, used by no host)"}},
		{"of one loader", func(s *bookSite) {
			s.root.configurations["local"]["grub"] = "new"
		}, []string{"content by hand: done, a local>local, b local>local (changed for grub, used by 2 hosts) !"}},
		{"added", func(s *bookSite) { s.root.write("other", "new") }, nil},
		{"removed, unused", func(s *bookSite) { s.root.write("debian", "") }, nil},
		{"removed, used", func(s *bookSite) { s.root.write("local", "") },
			[]string{"content by hand: done, a local>dangling, b local>dangling (removed for grub and pxelinux, used by 2 hosts) !"}},
		{"being written", func(s *bookSite) {
			s.root.write("local", "half")
			s.look()
			s.root.write("local", "whole")
		}, []string{"content by hand: done, a local>local, b local>local (changed for grub and pxelinux, used by 2 hosts) !"}},
		{"for a moment only", func(s *bookSite) {
			s.root.write("local", "half")
			s.look()
			s.root.write("local", "local")
		}, nil},
		{"while the server was down", func(s *bookSite) {
			s.root.write("local", "new")
			s.start()
		}, []string{"content by hand: done, a local>local, b local>local (changed for grub and pxelinux while the server was down, used by 2 hosts) !"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newBookSite(t, "a", "b")
			s.must("local", "a", "b")
			tt.does(s)
			for range 4 {
				s.look()
			}
			s.tells(append([]string{start}, tt.want...)...)
		})
	}
}

// A shared root may be changed while a pilot looks at it.
type sharedRoot struct {
	*linkRoot
	mu sync.Mutex
}

func (r *sharedRoot) View(ctx context.Context, inv *pxepilot.Inventory) (*pxepilot.View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.linkRoot.View(ctx, inv)
}

func (r *sharedRoot) Contents(ctx context.Context, list []pxepilot.Configuration) (map[[2]string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.linkRoot.Contents(ctx, list)
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBookSite(t, "a")
		s.must("local", "a")
		root := &sharedRoot{linkRoot: s.root}
		site := s.root.site()
		site.Root, site.Texts = root, root
		s.Pilot.site = func() *Site { return site }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Watch(ctx) }()
		during := func(looks int, does func()) {
			root.mu.Lock()
			does()
			root.mu.Unlock()
			<-time.After(time.Duration(looks) * s.timing.Look)
			synctest.Wait()
		}
		const start, drift = "deploy by api: done, a none>local", "hand by hand: done, a local>ubuntu"
		during(1, func() { root.all("a", "ubuntu") })
		s.tells(start, drift)
		during(10, func() { root.fails = pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root is gone") })
		s.tells(start, drift)
		during(1, func() {
			root.fails = nil
			root.all("a", "debian")
		})
		s.tells(start, drift, "hand by hand: done, a ubuntu>debian")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	p, _ := newSite(t)
	if err := p.Watch(t.Context()); err != nil {
		t.Error(err)
	}
}
