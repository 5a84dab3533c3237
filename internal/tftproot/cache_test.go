package tftproot

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// settled makes every stamp look old, as it is a moment after the last change.
func (s *site) settled() { s.now = func() time.Time { return time.Now().Add(time.Hour) } }

func TestViewIsTheSameWhileNothingChanges(t *testing.T) {
	s := newSite(t, Options{}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	s.settled()
	v := s.view()
	if s.view() != v {
		t.Error("another View, though nothing changed")
	}
	other := inventory(t, "h1 "+mac1)
	if w, err := s.View(t.Context(), other); err != nil || w == v || len(w.Hosts) != 1 {
		t.Errorf("the View of another inventory: %v, %v", w, err)
	}
}

// TestStampsMustSettle: a directory that was changed a moment ago may be changed
// again without a trace in its stamp.
func TestStampsMustSettle(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	last := time.Time{}
	for _, p := range []string{"pxelinux.cfg", "pxelinux.cfg/conf"} {
		info, err := os.Stat(filepath.Join(s.path, p))
		if err != nil {
			t.Fatal(err)
		}
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	for _, tt := range []struct {
		after time.Duration
		same  bool
	}{{0, false}, {99 * time.Millisecond, false}, {101 * time.Millisecond, true}, {-time.Hour, false}} {
		s.now = func() time.Time { return last.Add(tt.after) }
		s.cache = nil
		if v := s.view(); (s.view() == v) != tt.same {
			t.Errorf("%v after the last change the View is kept: %t", tt.after, !tt.same)
		}
	}
}

// TestEveryChangeShows: whatever changes under a View that is kept.
func TestEveryChangeShows(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(s *site)
		do     func(s *site)
		want   string // of h1
	}{
		{"a link", nil, func(s *site) { s.symlink("conf/b", "pxelinux.cfg/"+lnk1) }, "h1=b"},
		{"a link that goes", nil, func(s *site) { _ = os.Remove(s.path + "/pxelinux.cfg/" + lnk1) }, "h1=(none)"},
		{"a configuration that goes", nil, func(s *site) { _ = os.Remove(s.path + "/pxelinux.cfg/conf/a") }, "h1=(dangling)*"},
		{"a configuration that becomes a directory", nil, func(s *site) {
			_ = os.Remove(s.path + "/pxelinux.cfg/conf/a")
			_ = os.Mkdir(s.path+"/pxelinux.cfg/conf/a", 0o755)
		}, "h1=(foreign)*"},
		{"a directory of links that is moved", nil, func(s *site) {
			_ = os.Rename(s.path+"/pxelinux.cfg", s.path+"/x")
			_ = os.MkdirAll(s.path+"/pxelinux.cfg/conf", 0o755)
		}, "h1=(none)"},
		{"a directory of links that is replaced by a link to it", nil, func(s *site) {
			_ = os.Rename(s.path+"/pxelinux.cfg", s.path+"/x")
			s.symlink("x", "pxelinux.cfg")
		}, "h1=a"},
		{"a root that is replaced", nil, func(s *site) {
			_ = os.Rename(s.path, s.path+".old")
			_ = os.CopyFS(s.path, os.DirFS(s.path+".old"))
			s.symlink("conf/b", "pxelinux.cfg/"+lnk1)
		}, "h1=b"},
		{"a far link", func(s *site) {
			s.symlink("../pxelinux.cfg/conf/a", "far/x")
			s.symlink("../far/x", "pxelinux.cfg/"+lnk1)
		}, func(s *site) { s.symlink("../pxelinux.cfg/conf/b", "far/x") }, "h1=b*"},
		{"a far link to nothing that begins to lead somewhere", func(s *site) {
			s.symlink("../far/x", "pxelinux.cfg/"+lnk1)
		}, func(s *site) { s.symlink("../pxelinux.cfg/conf/b", "far/x") }, "h1=b*"},
		{"a far file", func(s *site) { s.symlink("../far/x", "pxelinux.cfg/"+lnk1) }, func(s *site) { s.write("far/x", "") }, "h1=(foreign)*"},
		{"a far directory", func(s *site) {
			s.symlink("pxelinux.cfg", "far")
			s.symlink("../far/conf/a", "pxelinux.cfg/"+lnk1)
		}, func(s *site) { s.symlink("nowhere", "far") }, "h1=(dangling)*"},
		{"the end of a configuration that is a link", func(s *site) {
			s.write("far/x", "")
			s.symlink("../../far/x", "pxelinux.cfg/conf/a")
		}, func(s *site) { _ = os.Remove(s.path + "/far/x") }, "h1=(dangling)*"},
		{"a configuration that is a link, and comes back", func(s *site) {
			s.symlink("../../far/x", "pxelinux.cfg/conf/a")
		}, func(s *site) { s.write("far/x", "") }, "h1=a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{}, []string{"a", "b"}, "h1 "+mac1)
			s.deploy("a", "h1")
			if tt.before != nil {
				tt.before(s)
			}
			// Here stamps must have settled truly, or the change might not show.
			s.settle()
			tt.do(s)
			if got := s.states(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestDirectoriesThatWereMissing show as soon as they are there.
func TestDirectoriesThatWereMissing(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: twoLoaders}, nil, "h1 "+mac1)
	if err := os.Mkdir(dir+"/conf", 0o755); err != nil {
		t.Fatal(err)
	}
	s.settle()
	diff(t, "h1=(none)", s.states())
	s.configuration(0, "a")
	s.configuration(1, "a")
	s.symlink("../conf/pxelinux/a", "pxelinux.cfg/"+lnk1)
	diff(t, "h1=(partial)*", s.states())
	s.symlink("../../conf/grub/a", "boot/grub/grub.cfg-"+lnk1)
	diff(t, "h1=a", s.states())
}

// TestTheCacheNeverLies on file systems whose stamps are as coarse as they come:
// thousands of changes, each with a View right after it, and with one before.
func TestTheCacheNeverLies(t *testing.T) {
	lies := func(t *testing.T, dir string) {
		s := newSite(t, Options{Path: filepath.Join(dir, "root")}, []string{"a", "b"}, "h1 "+mac1)
		s.deploy("a", "h1")
		n := 5000
		if testenv.Soak() {
			n *= 10
		}
		for i := range n {
			want := []string{"b", "a"}[i%2]
			s.symlink("conf/"+want, "pxelinux.cfg/"+lnk1)
			if h := &s.view().Hosts[0]; h.Configuration != want {
				t.Fatalf("after change %d the cache says %s %s", i, h.State, h.Configuration)
			}
		}
		// It does hold, once there is nothing more to see.
		s.settle()
		s.symlink("conf/b", "pxelinux.cfg/"+lnk1)
		diff(t, "h1=b", s.states())
	}
	t.Run("ramfs", func(t *testing.T) { lies(t, mount(t, "ramfs", "")) })
	t.Run("tmpfs", func(t *testing.T) { lies(t, mount(t, "tmpfs", "")) })
	t.Run("disk", func(t *testing.T) { lies(t, t.TempDir()) })
}

// TestUnknownFileSystems are always looked at anew.
func TestUnknownFileSystems(t *testing.T) {
	lower, upper, work := t.TempDir(), t.TempDir(), t.TempDir()
	dir := mount(t, "overlay", "lowerdir="+lower+",upperdir="+upper+",workdir="+work)
	s := newSite(t, Options{Path: filepath.Join(dir, "root")}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	s.settled()
	if v := s.view(); s.view() == v {
		t.Error("a View was kept on overlayfs")
	}
}

func TestReadIsNeverCached(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	s.settled()
	s.view()
	for _, content := range []string{"one\n", "two\n"} {
		s.write("pxelinux.cfg/conf/a", content)
		got, err := s.Read(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		diff(t, []pxepilot.Variant{{Bootloader: "pxelinux", Content: content}}, got)
	}
}
