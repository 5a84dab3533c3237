package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A journalSite is a site with three hosts, on which servers run one after another.
type journalSite struct {
	t     *testing.T
	file  string
	root  string
	state string
	log   syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newJournalSite(t *testing.T, more string) *journalSite {
	t.Helper()
	dir := t.TempDir()
	s := &journalSite{t: t, file: filepath.Join(dir, "pxe-pilot.yml"), root: filepath.Join(dir, "tftp"), state: filepath.Join(dir, "state")}
	for _, c := range []string{"pxelinux/local", "pxelinux/ubuntu", "pxelinux/bios", "grub/local", "grub/ubuntu"} {
		s.write("conf/"+c, c)
	}
	text := "hosts:\n"
	for i := range 3 {
		text += fmt.Sprintf("  - {name: h%d, mac_addresses: [\"52:54:00:00:00:%02x\", \"52:54:00:00:01:%02x\"]}\n", i, i, i)
	}
	text += fmt.Sprintf(`tftp: {root: %q}
configuration:
  directory: %q
  bootloaders: [{name: pxelinux}, {name: grub}]
server: {address: 127.0.0.1, port: 0}
%s`, s.root, filepath.Join(s.root, "conf"), more)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *journalSite) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// link sets a link by hand.
func (s *journalSite) link(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	_ = os.Remove(path)
	if err := os.Symlink(text, path); err != nil {
		s.t.Fatal(err)
	}
}

// serve runs a server while do does something with its pilot.
func (s *journalSite) serve(do func(ctx context.Context, p *pilot.Pilot)) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	server := &Server{
		Config: s.file, State: s.state, Env: func(string) string { return "" },
		Log: slog.New(slog.NewTextHandler(&s.log, nil)),
		Ready: func(_ string, p *pilot.Pilot) {
			defer stop()
			do(ctx, p)
		},
	}
	if err := server.Run(ctx); err != nil {
		s.t.Fatal(err)
	}
}

func (s *journalSite) deploy(ctx context.Context, p *pilot.Pilot, configuration string, hosts ...string) {
	s.t.Helper()
	c := pilot.Change{Want: pxepilot.Deploy, Configuration: configuration, By: pilot.Actor{Name: "api"}, DropUncovered: true, Force: true}
	for _, h := range hosts {
		c.Hosts = append(c.Hosts, pilot.HostRef{Name: h})
	}
	if out, err := p.Change(ctx, c); err != nil || out.Unrecorded != nil {
		s.t.Errorf("deploy %s: %+v, %v", configuration, out, err)
	}
}

// tells is the whole history, the earliest first.
func (s *journalSite) tells(ctx context.Context, p *pilot.Pilot, want ...string) {
	s.t.Helper()
	entries, err := p.History(ctx, pxepilot.Question{})
	if err != nil {
		s.t.Error(err)
	}
	var got []string
	for i := range entries {
		e := entries[len(entries)-1-i]
		line := fmt.Sprintf("%s: %s", e.What, e.Result)
		for _, h := range e.Hosts {
			line += fmt.Sprintf(", %s %s %s", h.Host, h.After.State, h.After.Configuration)
		}
		if e.Why != "" {
			line += " (" + e.Why + ")"
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Error(diff)
	}
}

// What the server does is never taken for what a hand did, whatever the links were
// before, and what a hand did always is.
func TestJournalOfRealLinks(t *testing.T) {
	s := newJournalSite(t, "")
	var want []string
	s.serve(func(ctx context.Context, p *pilot.Pilot) {
		for i, step := range []struct {
			does func()
			want []string
		}{
			{func() { s.deploy(ctx, p, "local", "h0", "h1", "h2") },
				[]string{"deploy: done, h0 configured local, h1 configured local, h2 configured local"}},
			{func() { s.deploy(ctx, p, "bios", "h1") }, []string{"deploy: done, h1 partial bios"}},
			{func() { s.link("pxelinux.cfg/01-52-54-00-00-00-02", s.root+"/conf/pxelinux/local") },
				[]string{"hand: done, h2 configured local"}},
			// The others' link leads through the one that is switched, and is detached.
			{func() { s.link("pxelinux.cfg/01-52-54-00-00-00-01", "01-52-54-00-00-00-00") }, []string{"hand: done, h1 entangled local"}},
			{func() { s.deploy(ctx, p, "ubuntu", "h0") }, []string{"deploy: done, h0 configured ubuntu"}},
			{func() { s.deploy(ctx, p, "local", "h1", "h2") }, []string{"deploy: done, h1 configured local, h2 configured local"}},
			{func() {
				_ = os.Remove(filepath.Join(s.root, "pxelinux.cfg/01-52-54-00-00-00-02"))
				s.write("pxelinux.cfg/01-52-54-00-00-00-02", "by hand")
			}, []string{"hand: done, h2 unmanaged local"}},
			{func() { s.deploy(ctx, p, "ubuntu", "h2") }, []string{"deploy: done, h2 configured ubuntu"}},
			{func() {
				s.write("conf/grub/ubuntu", "other")
				p.Begin(ctx)
			}, []string{"content: done, h0 configured ubuntu, h2 configured ubuntu (changed for grub, used by 2 hosts)"}},
			{func() {
				if _, err := p.Undo(ctx, pilot.Undo{Host: "h0"}); err != nil {
					t.Error(err)
				}
			}, []string{"undo: done, h0 configured local"}},
		} {
			step.does()
			want = append(want, step.want...)
			p.Begin(ctx)
			s.tells(ctx, p, want...)
			if t.Failed() {
				t.Logf("that was step %d", i)
				return
			}
		}
	})
	s.link("pxelinux.cfg/01-52-54-00-00-00-00", "../conf/pxelinux/ubuntu")
	s.write("conf/pxelinux/local", "new")
	s.serve(func(ctx context.Context, p *pilot.Pilot) {
		s.tells(ctx, p, append(want, "hand: done, h0 mixed  (while the server was down)",
			"content: done, h1 configured local (changed for pxelinux while the server was down, used by 1 host)")...)
	})
}

// Where there is no place for a journal, machines boot and lists are answered.
func TestWithoutStateDirectory(t *testing.T) {
	s := newJournalSite(t, "")
	s.state = filepath.Join(s.state, "not", "there")
	s.serve(func(ctx context.Context, p *pilot.Pilot) {
		if _, err := p.Hosts(ctx); err != nil {
			t.Error(err)
		}
		_, err := p.Change(ctx, pilot.Change{Want: pxepilot.Deploy, Configuration: "local", Hosts: []pilot.HostRef{{Name: "h0"}}})
		if says := pxepilot.ErrorMessage(err); pxepilot.ErrorCode(err) != pxepilot.Unavailable ||
			!strings.HasPrefix(says, "nothing was switched, for it cannot be written down: the state directory") || strings.Contains(says, s.state) {
			t.Error(err)
		}
		if _, err := p.History(ctx, pxepilot.Question{}); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
			t.Error(err)
		}
	})
	for _, said := range []string{"changes are refused until it does", "level=ERROR", s.state} {
		if !strings.Contains(s.log.String(), said) {
			t.Errorf("the log does not say %s:\n%s", said, s.log.String())
		}
	}
	lax := newJournalSite(t, "state: {required: false}\n")
	lax.state = filepath.Join(lax.state, "not", "there")
	lax.serve(func(ctx context.Context, p *pilot.Pilot) { lax.deploy(ctx, p, "local", "h0") })
}

// The file may say where it is kept.
func TestStateDirectoryOfTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	s := newJournalSite(t, fmt.Sprintf("state: {directory: %q}\n", dir))
	s.serve(func(ctx context.Context, p *pilot.Pilot) { s.deploy(ctx, p, "local", "h0") })
	if _, err := os.Stat(filepath.Join(dir, "journal.db")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.state); err == nil {
		t.Error("another directory was made as well")
	}
}
