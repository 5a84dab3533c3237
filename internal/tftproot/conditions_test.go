package tftproot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// mount mounts a file system for the time of the test.
func mount(t *testing.T, fstype, options string) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("pxe-pilot-test", dir, fstype, 0, options); err != nil {
		t.Fatalf("mount %s: %v", fstype, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// refused changes a site that cannot be changed, and looks that the answer is one
// clear line, that nothing changed and that a later change works.
func (s *site) refused(code pxepilot.Code, says string, change, mend func() error) {
	t := s.t
	t.Helper()
	before := s.tree()
	err := change()
	if pxepilot.ErrorCode(err) != code || !strings.Contains(fmt.Sprint(err), says) || strings.Contains(fmt.Sprint(err), "\n") || strings.Contains(fmt.Sprint(err), s.path) {
		t.Errorf("%s: %v\nwant %s: ...%s...", pxepilot.ErrorCode(err), err, code, says)
	}
	diff(t, before, s.tree())
	if err := mend(); err != nil {
		t.Fatal(err)
	}
	if err := change(); err != nil {
		t.Errorf("and after it was mended: %v", err)
	}
	if left := s.leftovers(); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestReadOnlyRoot(t *testing.T) {
	s := newSite(t, Options{Path: mount(t, "tmpfs", "")}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	remount := func(flags uintptr) error { return unix.Mount("", s.path, "", unix.MS_REMOUNT|flags, "") }
	if err := remount(unix.MS_RDONLY); err != nil {
		t.Fatal(err)
	}
	diff(t, "h1=a h3=a", s.states())
	s.refused(pxepilot.Unavailable, "read-only file system; nothing was switched",
		func() error { return s.change(pxepilot.Deploy, "b", "h1", "h3") },
		func() error { return remount(0) })
	diff(t, "h1=b h3=b", s.states())
}

// TestReadOnlyInTheMiddle: a disk that fails is often made read-only right then.
func TestReadOnlyInTheMiddle(t *testing.T) {
	s := newSite(t, Options{Path: mount(t, "tmpfs", "")}, []string{"a", "b"}, "h1 "+mac1, "h2 "+mac2, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h2", "h3")
	remount := func(flags uintptr) {
		if err := unix.Mount("", s.path, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	s.hook("rename", lnk1, false, func() { remount(unix.MS_RDONLY) })
	err := s.change(pxepilot.Deploy, "b", "h1", "h2", "h3")
	const want = `host "h2": pxelinux.cfg/` + lnk2 + ` cannot be switched: read-only file system; and undoing the change failed: ` +
		`"h1" is new, "h2" is old, "h3" is old; mend that and start the server again, which resolves it`
	if pxepilot.ErrorCode(err) != pxepilot.Internal || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	diff(t, "h1=b h2=a h3=a", s.states())
	if err := s.fresh().Recover(context.Background()); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Errorf("a start on a disk that is still read-only: %v", err)
	}
	remount(0)
	s.recover()
	diff(t, "h1=b h2=b h3=b", s.states())
	if left := s.leftovers(); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestNoSpace(t *testing.T) {
	// Long texts take pages: links whose texts are short are kept in their inodes.
	long := strings.Repeat("c", 200)
	s := newSite(t, Options{Path: mount(t, "tmpfs", "size=256k")}, []string{"a", long}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	s.write("filler", "")
	fill := func() {
		f, err := os.OpenFile(filepath.Join(s.path, "filler"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for size := 1 << 16; size > 0; {
			if _, err := f.Write(make([]byte, size)); err != nil {
				size /= 2
			}
		}
	}
	fill()
	s.refused(pxepilot.Unavailable, "no space left on device (or no inodes); nothing was switched",
		func() error { return s.change(pxepilot.Deploy, long, "h1", "h3") },
		func() error { return os.Truncate(filepath.Join(s.path, "filler"), 0) })
}

func TestNoInodes(t *testing.T) {
	s := newSite(t, Options{Path: mount(t, "tmpfs", "nr_inodes=64")}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	for i := 0; ; i++ {
		if err := os.Mkdir(filepath.Join(s.path, fmt.Sprint("filler", i)), 0o755); err != nil {
			break
		}
	}
	s.refused(pxepilot.Unavailable, "no space left on device (or no inodes); nothing was switched",
		func() error { return s.change(pxepilot.Deploy, "b", "h1", "h3") },
		func() error {
			for i := range 8 {
				_ = os.Remove(filepath.Join(s.path, fmt.Sprint("filler", i)))
			}
			return nil
		})
}

// TestRootGoesAway: the root is renamed away, removed or replaced while a change
// goes on.
func TestRootGoesAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *site) string // where the old tree is then
	}{
		{"renamed", func(s *site) string {
			_ = os.Rename(s.path, s.path+".old")
			return s.path + ".old"
		}},
		{"replaced", func(s *site) string {
			_ = os.Rename(s.path, s.path+".old")
			_ = os.MkdirAll(s.path+"/pxelinux.cfg/conf", 0o755)
			return s.path + ".old"
		}},
		{"removed", func(s *site) string {
			_ = os.RemoveAll(s.path)
			return ""
		}},
		{"its directory of links replaced", func(s *site) string {
			_ = os.Rename(s.path+"/pxelinux.cfg", s.path+"/old")
			_ = os.MkdirAll(s.path+"/pxelinux.cfg/conf", 0o755)
			return s.path + "/old"
		}},
		{"its directory of configurations replaced", func(s *site) string {
			_ = os.Rename(s.path+"/pxelinux.cfg/conf", s.path+"/old")
			_ = os.CopyFS(s.path+"/pxelinux.cfg/conf", os.DirFS(s.path+"/old"))
			return s.path + "/pxelinux.cfg"
		}},
	} {
		for _, at := range []struct{ call, name string }{{"symlink", ""}, {"create", planName}, {"rename", lnk1}, {"rename", lnk3}} {
			t.Run(tt.name+", "+at.call+" "+at.name, func(t *testing.T) {
				s := newSite(t, Options{Path: filepath.Join(fastDir(t), "root")}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
				s.deploy("a", "h1", "h3")
				old := ""
				ran := false
				record(s.Root).after = func(_ int, o op) error {
					if !ran && o.call == at.call && (at.name == "" || o.to == at.name) {
						ran, old = true, tt.do(s)
					}
					return nil
				}
				err := s.change(pxepilot.Deploy, "b", "h1", "h3")
				if code := pxepilot.ErrorCode(err); code != pxepilot.Unavailable || !strings.Contains(err.Error(), "; nothing was switched") || strings.Contains(err.Error(), s.path) {
					t.Errorf("%s: %v", code, err)
				}
				if old == "" {
					return
				}
				for p, text := range treeOf(t, old) {
					if strings.HasPrefix(filepath.Base(p), "01-") && text != "conf/a" && text != lnk3 || strings.Contains(p, ".pxe-pilot.") {
						t.Errorf("%s: %s is %s", err, p, text)
					}
				}
			})
		}
	}
}

func TestRootIsRemovedDuringAClear(t *testing.T) {
	s := newSite(t, Options{Path: filepath.Join(fastDir(t), "root")}, []string{"a"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	s.hook("rename", lnk1, false, func() { _ = os.RemoveAll(s.path) })
	err := s.change(pxepilot.Clear, "", "h1", "h3")
	const want = "the TFTP root was replaced during the change: the TFTP root: no such file or directory; try again; nothing was switched"
	if pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestRootIsAway(t *testing.T) {
	s := newSite(t, Options{Path: filepath.Join(t.TempDir(), "root")}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	if err := os.Rename(s.path, s.path+".old"); err != nil {
		t.Fatal(err)
	}
	_, viewErr := s.View(context.Background(), s.inv)
	_, readErr := s.Read(context.Background(), "a")
	for _, err := range []error{viewErr, readErr, s.change(pxepilot.Clear, "", "h1"), s.Recover(context.Background())} {
		const want = "the TFTP root: no such file or directory"
		cause := "open " + s.path + ": no such file or directory"
		if pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != want || fmt.Sprint(errors.Unwrap(err)) != cause {
			t.Errorf("%v, because %v", err, errors.Unwrap(err))
		}
	}
	if err := os.Rename(s.path+".old", s.path); err != nil {
		t.Fatal(err)
	}
	diff(t, "h1=a", s.states())
}

// TestWithoutItsConfigurationDirectory a root is not healthy and empty: it may not
// be mounted.
func TestWithoutItsConfigurationDirectory(t *testing.T) {
	for _, tt := range []struct {
		name    string
		loaders []pxepilot.Bootloader
		do      func(s *site) error
	}{
		{"it alone is away", nil, func(s *site) error { return os.Rename(s.path+"/conf", s.path+".away") }},
		{"it alone is away, of several loaders", twoLoaders, func(s *site) error { return os.Rename(s.path+"/conf", s.path+".away") }},
		{"it is a link to nothing", twoLoaders, func(s *site) error {
			return errors.Join(os.Rename(s.path+"/conf", s.path+".away"), os.Symlink("nothing", s.path+"/conf"))
		}},
		{"an empty root", nil, func(s *site) error { return errors.Join(os.Rename(s.path, s.path+".away"), os.Mkdir(s.path, 0o755)) }},
		{"an empty root, of several loaders", twoLoaders, func(s *site) error {
			return errors.Join(os.Rename(s.path, s.path+".away"), os.Mkdir(s.path, 0o755))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := fastDir(t) + "/root"
			s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: tt.loaders}, []string{"a"}, "h1 "+mac1)
			s.deploy("a", "h1")
			s.settle()
			if err := tt.do(s); err != nil {
				t.Fatal(err)
			}
			before := s.tree()
			_, viewErr := s.View(context.Background(), s.inv)
			_, readErr := s.Read(context.Background(), "a")
			for _, err := range []error{viewErr, readErr, s.change(pxepilot.Clear, "", "h1"), s.Recover(context.Background())} {
				const want = "the configuration directory: no such file or directory"
				cause := "open " + dir + "/conf: no such file or directory"
				if pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != want || fmt.Sprint(errors.Unwrap(err)) != cause {
					t.Errorf("%v, because %v", err, errors.Unwrap(err))
				}
			}
			diff(t, before, s.tree())
		})
	}
}

// TestLockHeldByAnotherProcess: a change waits, but not for ever. A lock belongs
// to an open file, so that a second one stands for another process.
func TestLockHeldByAnotherProcess(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	if s.lockWait != 5*time.Second {
		t.Errorf("a change waits for %v", s.lockWait)
	}
	s.lockWait = 50 * time.Millisecond
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	s.refused(pxepilot.Unavailable, "another change of the TFTP root has been going on for 50ms; try again",
		func() error { return s.change(pxepilot.Deploy, "a", "h1") },
		f.Close)
	// Seeing, and a dry run, need no lock.
	if f, err = os.Open(s.path); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	diff(t, "h1=a", s.states())
	if _, err := s.Change(context.Background(), s.inv, true, func(*pxepilot.View) ([]pxepilot.Move, error) {
		return s.moves(pxepilot.Clear, "", "h1"), nil
	}); err != nil {
		t.Error(err)
	}
	// Whoever goes away does not wait.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.lockWait = time.Hour
	if _, err := s.Change(ctx, s.inv, false, nil); err != context.Canceled {
		t.Errorf("%v", err)
	}
	// A root that was put in the place of the locked one is free.
	if err := os.Rename(s.path, s.path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(s.path, os.DirFS(s.path+".old/pxelinux.cfg")); err != nil {
		t.Fatal(err)
	}
	if unlock, err := s.lock(context.Background()); err != nil {
		t.Error(err)
	} else {
		unlock()
	}
}

// TestMissingDirectoriesAreMade, 0755 whatever the umask.
func TestMissingDirectoriesAreMade(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: []pxepilot.Bootloader{{Name: "grub"}}}, []string{"a"}, "h1 "+mac1)
	diff(t, "h1=(none)", s.states())
	s.deploy("a", "h1")
	for _, d := range []string{"boot", "boot/grub"} {
		info, err := os.Stat(filepath.Join(s.path, d))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", d, info.Mode(), err)
		}
	}
	diff(t, "h1=a", s.states())
	diff(t, "LABEL grub a\n", s.fetch("boot/grub/grub.cfg-01-00-00-00-00-00-01"))
}

// TestNothingLeavesTheRoot: no link of a directory leads a change outside.
func TestNothingLeavesTheRoot(t *testing.T) {
	outside := t.TempDir()
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	for _, text := range []string{outside, "../" + filepath.Base(outside) + "/x", "../../../../../../../../etc"} {
		_ = os.RemoveAll(filepath.Join(s.path, "pxelinux.cfg"))
		s.symlink(text, "pxelinux.cfg")
		if _, err := s.View(context.Background(), s.inv); pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.Contains(err.Error(), "it leaves the TFTP root") || strings.Contains(err.Error(), s.path) {
			t.Errorf("%s: %v", text, err)
		}
		if err := s.change(pxepilot.Deploy, "a", "h1"); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
			t.Errorf("%s: %v", text, err)
		}
	}
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("%v", entries)
	}
}

// TestTwoDirectoriesThatAreOne cannot hold the links of two loaders.
func TestTwoDirectoriesThatAreOne(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub-signed"}}}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	if err := os.RemoveAll(dir + "/grub/host"); err != nil {
		t.Fatal(err)
	}
	s.symlink("../pxelinux.cfg", "grub/host")
	want := `grub/host/` + lnk1 + ` is the link of host "h1" for one bootloader and of host "h1" for grub-signed: their directories are one, by a symbolic link`
	if _, err := s.View(context.Background(), s.inv); pxepilot.ErrorCode(err) != pxepilot.Unavailable || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}
