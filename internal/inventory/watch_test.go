package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A site is a directory with the file etc/c.yml and the directory etc/hosts.d,
// and a Store of their content that is kept up to date.
type site struct {
	*testing.T
	dir     string
	store   *Store[string]
	changes chan error
	log     *bytes.Buffer
	stop    func()
}

// never is longer than any test: what is noticed was told by the kernel.
const never = time.Hour

// watch starts to watch what prepare left.
func watch(t *testing.T, prepare func(s *site), adapt func(*Store[string])) *site {
	s := &site{T: t, dir: t.TempDir(), changes: make(chan error, 1000), log: &bytes.Buffer{}}
	s.mkdir("etc")
	s.write("etc/c.yml", "one")
	if prepare != nil {
		prepare(s)
	}
	s.store = New(func() (*string, []string, error) {
		file, hosts := filepath.Join(s.dir, "etc/c.yml"), filepath.Join(s.dir, "etc/hosts.d")
		paths := []string{file, hosts}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, paths, err
		}
		content := string(data)
		if content == "" || strings.Contains(content, "bad") { // empty while it is written
			return nil, paths, errors.New("bad")
		}
		more, err := filepath.Glob(filepath.Join(hosts, "*.yml"))
		if err != nil {
			return nil, paths, err
		}
		for _, m := range more {
			paths = append(paths, m)
			data, err := os.ReadFile(m)
			if err != nil {
				return nil, paths, err
			}
			content += "+" + string(data)
		}
		return &content, paths, nil
	})
	s.store.Rescan = never
	if adapt != nil {
		adapt(s.store)
	}
	if err := s.store.Load(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		logger := slog.New(slog.NewTextHandler(s.log, nil))
		done <- s.store.Watch(ctx, logger, func(err error) { s.changes <- err })
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Watch:", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// until waits for changes until the store holds the content, and an error or
// none.
func (s *site) until(content string, fails bool) {
	s.Helper()
	deadline := time.After(20 * time.Second)
	for *s.store.Current() != content || (s.store.Err() != nil) != fails {
		select {
		case <-s.changes:
		case <-deadline:
			s.Fatalf("still %q, %v; want %q, fails %v", *s.store.Current(), s.store.Err(), content, fails)
		}
	}
}

func (s *site) do(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }
func (s *site) mkdir(name string)       { s.Helper(); s.do(os.MkdirAll(s.path(name), 0o755)) }
func (s *site) remove(name string)      { s.Helper(); s.do(os.RemoveAll(s.path(name))) }
func (s *site) rename(from, to string)  { s.Helper(); s.do(os.Rename(s.path(from), s.path(to))) }
func (s *site) link(target, name string) {
	s.Helper()
	s.do(os.Symlink(target, s.path(name)))
}
func (s *site) write(name, content string) {
	s.Helper()
	s.do(os.WriteFile(s.path(name), []byte(content), 0o600))
}

// replace puts a new file in place as editors and installers do.
func (s *site) replace(name, content string) {
	s.Helper()
	s.write(name+".new", content)
	s.rename(name+".new", name)
}

var situations = map[string]struct {
	prepare func(s *site)
	run     func(s *site)
}{
	"written in place": {nil, func(s *site) {
		for i := range 3 {
			s.write("etc/c.yml", fmt.Sprint("v", i))
			s.until(fmt.Sprint("v", i), false)
		}
	}},
	"replaced by rename": {nil, func(s *site) {
		for i := range 3 {
			s.replace("etc/c.yml", fmt.Sprint("v", i))
			s.until(fmt.Sprint("v", i), false)
		}
		s.write("etc/c.yml", "in place")
		s.until("in place", false)
	}},
	"an error keeps the last good one": {nil, func(s *site) {
		s.write("etc/c.yml", "bad")
		s.until("one", true)
		s.write("etc/c.yml", "good")
		s.until("good", false)
	}},
	"removed and made again": {nil, func(s *site) {
		s.remove("etc/c.yml")
		s.until("one", true)
		s.write("etc/c.yml", "two")
		s.until("two", false)
	}},
	"mode": {nil, func(s *site) {
		s.do(os.Chmod(s.path("etc/c.yml"), 0o640))
		if err := <-s.changes; err != nil {
			s.Error(err)
		}
		s.until("one", false)
	}},
	"directory renamed away and back": {nil, func(s *site) {
		for i := range 3 {
			s.rename("etc", "away")
			s.until("one", true)
			s.rename("away", "etc")
			s.until("one", false)
			s.write("etc/c.yml", fmt.Sprint("v", i))
			s.until(fmt.Sprint("v", i), false)
			s.write("etc/c.yml", "one")
			s.until("one", false)
		}
	}},
	"directory renamed away and back at once": {nil, func(s *site) {
		s.rename("etc", "away")
		s.rename("away", "etc")
		s.write("etc/c.yml", "two")
		s.until("two", false)
		s.write("etc/c.yml", "three")
		s.until("three", false)
	}},
	"directory replaced by another": {nil, func(s *site) {
		s.mkdir("other")
		s.write("other/c.yml", "two")
		s.rename("etc", "away")
		s.rename("other", "etc")
		s.until("two", false)
		s.write("away/c.yml", "not this one")
		s.write("etc/c.yml", "three")
		s.until("three", false)
	}},
	"directory removed with all in it": {nil, func(s *site) {
		s.remove("etc")
		s.until("one", true)
		s.mkdir("etc")
		s.write("etc/c.yml", "two")
		s.until("two", false)
	}},
	"Kubernetes swaps a link": {
		func(s *site) {
			s.remove("etc/c.yml")
			s.mkdir("etc/..v1")
			s.write("etc/..v1/c.yml", "v1")
			s.link("..v1", "etc/..data")
			s.link("..data/c.yml", "etc/c.yml")
		},
		func(s *site) {
			for i := 2; i < 5; i++ {
				v := fmt.Sprint("v", i)
				s.mkdir("etc/.." + v)
				s.write("etc/.."+v+"/c.yml", v)
				s.link(".."+v, "etc/..data_tmp")
				s.rename("etc/..data_tmp", "etc/..data")
				s.remove(fmt.Sprint("etc/..v", i-1))
				s.until(v, false)
			}
			s.write("etc/..v4/c.yml", "in place")
			s.until("in place", false)
		},
	},
	"links through other directories": {
		func(s *site) {
			s.remove("etc/c.yml")
			s.mkdir("share/a")
			s.mkdir("share/b")
			s.write("share/a/real.yml", "a")
			s.write("share/b/real.yml", "b")
			s.link(s.path("share/a"), "current")
			s.link("../current/../b/../a/real.yml", "etc/c.yml")
		},
		func(s *site) {
			s.replace("share/a/real.yml", "a2")
			s.until("a2", false)
			s.link(s.path("share/b"), "next")
			s.rename("next", "current")
			s.write("share/a/real.yml", "a3")
			s.until("a3", false)
			s.link("../share/b/real.yml", "etc/next")
			s.rename("etc/next", "etc/c.yml")
			s.until("b", false)
			s.write("share/b/real.yml", "b2")
			s.until("b2", false)
		},
	},
	"hosts directory": {nil, func(s *site) {
		s.mkdir("etc/hosts.d")
		s.write("etc/hosts.d/a.yml", "a")
		s.until("one+a", false)
		s.write("etc/hosts.d/b.yml", "b")
		s.until("one+a+b", false)
		s.write("etc/hosts.d/a.yml", "A")
		s.until("one+A+b", false)
		s.remove("etc/hosts.d/a.yml")
		s.until("one+b", false)
		s.rename("etc/hosts.d", "etc/away")
		s.until("one", false)
		s.rename("etc/away", "etc/hosts.d")
		s.until("one+b", false)
		s.replace("etc/hosts.d/b.yml", "B")
		s.until("one+B", false)
	}},
}

func TestWatch(t *testing.T) {
	for name, tt := range situations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := watch(t, tt.prepare, nil)
			tt.run(s)
			s.stop()
			if s.log.Len() > 0 {
				t.Error("logged:", s.log)
			}
		})
	}
}

// All of it works without the kernel's help, only later.
func TestWatchByLooking(t *testing.T) {
	closed := func() (*fsnotify.Watcher, error) {
		w, err := fsnotify.NewWatcher()
		if err == nil {
			err = w.Close()
		}
		return w, err
	}
	none := func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
	for kind, newWatcher := range map[string]func() (*fsnotify.Watcher, error){"none": none, "no watches left": closed} {
		for name, tt := range situations {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := watch(t, tt.prepare, func(s *Store[string]) {
					s.Rescan, s.newWatcher = 5*time.Millisecond, newWatcher
				})
				tt.run(s)
				s.stop()
				if got := strings.Count(s.log.String(), "level=WARN"); got != 1 {
					t.Errorf("%d warnings: %s", got, s.log)
				}
			})
		}
	}
}

// Changes that follow one another faster than the clock of the file system
// ticks, and that leave the size as it was, are not overlooked. ramfs stamps by
// the coarse clock whatever the kernel.
func TestNoChangeIsOverlooked(t *testing.T) {
	fast := func(s *Store[string]) {
		s.Rescan = 100 * time.Microsecond
		s.newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("none") }
	}
	for name, prepare := range map[string]func(*site){
		"here": nil,
		"ramfs": func(s *site) {
			testenv.NeedRoot(s)
			s.do(syscall.Mount("none", s.path("etc"), "ramfs", 0, ""))
			s.Cleanup(func() { s.do(syscall.Unmount(s.path("etc"), syscall.MNT_DETACH)) })
			s.write("etc/c.yml", "one")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := watch(t, prepare, fast)
			for i := range 20 {
				last := ""
				for j := range 30 {
					last = fmt.Sprintf("%03d", i*30+j)
					s.write("etc/c.yml", last)
				}
				s.until(last, false)
			}
		})
	}
}

// Where somebody else reloads, the files of the new snapshot are watched.
// What goes away between the end of a load and the look at what was loaded.
func TestGoneRightAfterLoad(t *testing.T) {
	for _, name := range []string{"etc/c.yml", "etc"} {
		strike := make(chan func() error, 1)
		s := watch(t, nil, func(store *Store[string]) {
			load := store.load
			store.load = func() (*string, []string, error) {
				value, paths, err := load()
				if err == nil && *value == "two" {
					select {
					case rename := <-strike:
						err = rename()
					default:
					}
				}
				return value, paths, err
			}
		})
		strike <- func() error { return os.Rename(s.path(name), s.path("away")) }
		s.replace("etc/c.yml", "two")
		s.until("two", true)
		s.rename("away", name)
		s.until("two", false)
	}
}

func TestReloadBySomebodyElse(t *testing.T) {
	s := watch(t, nil, nil)
	s.mkdir("etc/hosts.d")
	s.write("etc/hosts.d/a.yml", "a")
	s.do(s.store.Reload())
	s.write("etc/hosts.d/a.yml", "b")
	s.until("one+b", false)
}

func TestBurst(t *testing.T) {
	start := time.Unix(1e9, 0)
	var b burst
	for _, tt := range []struct{ after, want time.Duration }{
		{0, quiet},
		{quiet / 2, quiet},
		{patience - quiet, quiet},
		{patience - quiet/2, quiet / 2},
		{patience, 0},
		{2 * patience, 0},
	} {
		if got := b.wait(start.Add(tt.after)); got != tt.want {
			t.Errorf("after %v: %v; want %v", tt.after, got, tt.want)
		}
	}
}

func TestSettled(t *testing.T) {
	began := time.Unix(1e9, 0)
	for _, tt := range []struct {
		age  time.Duration
		want bool
	}{
		{time.Second, true},
		{unsure, true},
		{unsure - 1, false},
		{0, false},
		{-time.Second, false},
		{-2 * time.Hour, true}, // the clock was set back; waiting would not end
	} {
		tr := trail{stamps: []stamp{{ctime: 1}, {ctime: began.Add(-tt.age).UnixNano()}}}
		if got := tr.settled(began); got != tt.want {
			t.Errorf("%v old: %v; want %v", tt.age, got, tt.want)
		}
	}
}
