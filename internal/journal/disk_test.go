package journal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// mount mounts a file system for the time of the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir := t.TempDir()
	must(t, unix.Mount("pxe-pilot-test", dir, "tmpfs", 0, options))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill takes all space of a file system but so many bytes.
func fill(t *testing.T, dir string, but int64) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	size := int64(0)
	for n := 1 << 16; n > 0; {
		done, err := f.Write(make([]byte, n))
		if size += int64(done); err != nil {
			n /= 2
		}
	}
	must(t, f.Truncate(size-but))
	return func() { must(t, os.Remove(name)) }
}

const noSpace = "there is no space left for the journal; make room in the state directory (state.directory)"

// TestFull: with any room that is left, a write is there whole or not at all, what
// was written before can be read, and when there is room again all works.
func TestFull(t *testing.T) {
	const page = 4096
	refusals := 0
	for left := int64(0); left < 40*page; left += 5 * page {
		dir := mount(t, "size=2m")
		f := newFixture(t, dir, Options{})
		m := newModel()
		f.write(m, deed(1))
		empty := fill(t, dir, left)
		for range 30 {
			r := deed(f.lastID + 1)
			if err := f.Write(t.Context(), r); err != nil {
				refused(t, err, dir, noSpace)
				refusals++
				f.same(m.remember())
				f.answers(pxepilot.Question{Host: "h1"}, m.ask(pxepilot.Question{Host: "h1"}))
				break
			}
			m.write(r)
			if f.lastID%7 == 0 { // what is done behind has the same trouble
				err := f.catchUp(t.Context())
				if err == nil {
					err = f.checkpointed(t)
				}
				if err != nil {
					refused(t, err, dir, noSpace)
				}
			}
		}
		f.same(m.remember())
		again := newFixture(t, f.copied(t), Options{}) // had it crashed
		again.same(m.remember())
		must(t, again.Close())
		empty()
		f.write(m, deed(f.lastID+1))
		f.same(m.remember())
		f.answers(pxepilot.Question{Host: "h1"}, m.ask(pxepilot.Question{Host: "h1"}))
		must(t, f.Close())
		f = newFixture(t, dir, Options{})
		f.same(m.remember())
		f.answers(pxepilot.Question{}, m.ask(pxepilot.Question{}))
		must(t, f.Close())
	}
	if refusals == 0 {
		t.Error("there was always room")
	}
}

func (f *fixture) checkpointed(t *testing.T) error {
	_, err := f.readers.ExecContext(t.Context(), `PRAGMA wal_checkpoint(PASSIVE)`)
	return f.trouble(err)
}

// copied is a copy as a crash leaves it.
func (f *fixture) copied(t *testing.T) string {
	dir := t.TempDir()
	f.crashed(dir)
	return dir
}

// TestFullAtTheStart: a journal that cannot be opened can be when there is room.
func TestFullAtTheStart(t *testing.T) {
	for _, existing := range []bool{false, true} {
		opens := 0
		for left := int64(0); left < 256<<10; left += 16 << 10 {
			dir := mount(t, "size=2m")
			m := newModel()
			if existing {
				f := newFixture(t, dir, Options{})
				f.write(m, deed(1))
				must(t, f.Close())
			}
			empty := fill(t, dir, left)
			j, err := Open(t.Context(), Options{Directory: dir})
			if err == nil {
				opens++
				must(t, j.Close())
			} else {
				refused(t, err, dir, noSpace)
			}
			empty()
			f := newFixture(t, dir, Options{})
			f.same(m.remember())
			f.write(m, deed(f.lastID+1))
			must(t, f.Close())
		}
		if opens == 0 || opens == 16 {
			t.Errorf("it opened %d times of 16", opens)
		}
	}
}

func TestNoInodes(t *testing.T) {
	for inodes := range 12 {
		dir := mount(t, "size=2m,nr_inodes=64")
		var fillers []string
		for {
			f, err := os.CreateTemp(dir, "filler")
			if err != nil {
				break
			}
			fillers = append(fillers, f.Name())
			must(t, f.Close())
		}
		for range inodes {
			must(t, os.Remove(fillers[0]))
			fillers = fillers[1:]
		}
		j, err := Open(t.Context(), Options{Directory: dir})
		if err == nil {
			must(t, j.Close())
			continue
		}
		refused(t, err, dir, noSpace)
		for _, f := range fillers {
			must(t, os.Remove(f))
		}
		j, err = Open(t.Context(), Options{Directory: dir})
		must(t, err)
		must(t, j.Write(t.Context(), deed(1)))
		must(t, j.Close())
	}
}

func TestReadOnly(t *testing.T) {
	dir := mount(t, "")
	remount := func(flags uintptr) error { return unix.Mount("", dir, "", unix.MS_REMOUNT|flags, "") }
	const says = "the state directory (state.directory) is on a read-only file system; mount it writable, or name another one"
	must(t, remount(unix.MS_RDONLY))
	for _, at := range []string{dir, filepath.Join(dir, "state")} {
		_, err := Open(t.Context(), Options{Directory: at})
		refused(t, err, dir, says)
	}
	must(t, remount(0))
	m := newModel()
	f := newFixture(t, dir, Options{})
	f.write(m, deed(1))
	must(t, f.Close())
	must(t, remount(unix.MS_RDONLY))
	_, err := Open(t.Context(), Options{Directory: dir})
	refused(t, err, dir, says)
	must(t, remount(0))
	f = newFixture(t, dir, Options{})
	defer f.Close()
	f.same(m.remember())
	f.write(m, deed(2))
	if err := remount(unix.MS_RDONLY); !errors.Is(err, unix.EBUSY) {
		t.Errorf("what is open can be made read-only: %v", err)
	}
}

// TestDiskDies in the middle: what was acknowledged before is there when it is
// back, and nothing is acknowledged after.
func TestDiskDies(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.Need(t, "mkfs.ext4", "mount", "umount")
	image := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 8<<20))
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("mkfs.ext4", "-q", image)
	disk := t.TempDir()
	run("mount", "-o", "loop", image, disk)
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	dir := filepath.Join(disk, "state")
	m := newModel()
	f := newFixture(t, dir, Options{})
	for n := range int64(5) {
		f.write(m, deed(n+1))
	}
	d, err := os.Open(disk)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(d.Fd()), shutdown, shutdownNow))
	must(t, d.Close())
	// SQLite takes what cannot be read for damaged (SQLITE_IOERR_CORRUPTFS).
	const says = "the files of the journal cannot be opened, read or written; see that the state directory (state.directory) is there and what the kernel says of its disk (dmesg)"
	for range 3 {
		if err := f.Write(t.Context(), deed(6)); fmt.Sprint(err) != damaged {
			refused(t, err, dir, says)
		}
	}
	_ = f.Close()
	_, err = Open(t.Context(), Options{Directory: dir})
	if pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Error(err)
	}
	run("umount", disk)
	run("mount", "-o", "loop", image, disk)
	f = newFixture(t, dir, Options{})
	f.same(m.remember())
	f.write(m, deed(6))
	f.same(m.remember())
	must(t, f.Close())
	run("umount", disk)
}

// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (include/uapi/linux/ext4.h):
// the file system ends, and loses what was not synced.
const (
	shutdown    = 0x8004587d
	shutdownNow = 2
)
