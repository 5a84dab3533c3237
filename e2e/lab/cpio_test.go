package lab

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// Another program unpacks what we pack.
func TestArchive(t *testing.T) {
	testenv.Need(t, "busybox")
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "busybox", "cpio", "-i")
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(archive(map[string][]byte{
		"init": []byte("one"), "a/b/c": []byte("four"), "a/empty": nil, "dev/": nil,
	}))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := map[string]string{}
	for _, name := range []string{"init", "a/b/c", "a/empty"} {
		got[name] = Read(t, filepath.Join(dir, name))
	}
	if diff := cmp.Diff(map[string]string{"init": "one", "a/b/c": "four", "a/empty": ""}, got); diff != "" {
		t.Errorf("unpacked (-want +got):\n%s", diff)
	}
	if !Exists(filepath.Join(dir, "dev")) {
		t.Error("the empty directory is not there")
	}
}
