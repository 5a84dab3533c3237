package lab

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts a file system of its own at a directory, until the test ends.
// options are those of mount(8), such as "size=64k,nr_inodes=16" for a tmpfs.
func Mount(t testing.TB, kind, dir, options string) {
	t.Helper()
	NeedNamespaces(t)
	MakeDir(t, dir)
	if err := unix.Mount(kind, dir, kind, 0, options); err != nil {
		t.Fatalf("mount %s at %s: %v", kind, dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// ReadOnly makes a mount read-only, or writable again.
func ReadOnly(t testing.TB, dir string, yes bool) {
	t.Helper()
	var flags uintptr = unix.MS_REMOUNT | unix.MS_BIND
	if yes {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("", dir, "", flags, ""); err != nil {
		t.Fatalf("remount %s: %v", dir, err)
	}
}

// Fill takes the space of a small file system, or all of its inodes, until it is
// told to give them back.
func Fill(t testing.TB, dir string, space bool) (empty func()) {
	t.Helper()
	fill := filepath.Join(dir, "fill")
	MakeDir(t, fill)
	f, err := os.Create(filepath.Join(fill, "space"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil && space {
		_, err = f.Write(make([]byte, 512))
	}
	err = errors.Join(err, f.Close())
	for !space && err == nil {
		f, err = os.CreateTemp(fill, "inode")
		if err == nil {
			err = f.Close()
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("%s does not fill: %v", dir, err)
	}
	return func() {
		if err := os.RemoveAll(fill); err != nil {
			t.Fatal(err)
		}
	}
}
