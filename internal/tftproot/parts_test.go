package tftproot

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

var raspberry = []pxepilot.Bootloader{{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}}

// What goes with a configuration that is a directory is told, for every host by its
// own path.
func TestParts(t *testing.T) {
	dir := openRoot(t)
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: raspberry}, []string{"a", "b"}, "h1 serial:1 "+mac1, "h2 serial:2 "+mac2)
	s.deploy("a", "h1", "h2")
	for _, name := range []string{"start4.elf", "config.txt", "overlays/x.dtbo", ".hidden", "config.txt~", ".git/HEAD"} {
		s.write("conf/rpi/a/"+name, name)
	}
	s.write("conf/rpi/a/kernel8.img", strings.Repeat("x", maxPart+1))
	s.write("shared/cmdline.txt", "x")
	s.symlink("../../../shared/cmdline.txt", "conf/rpi/a/cmdline.txt")
	s.symlink("nowhere", "conf/rpi/a/gone.txt")
	all, err := s.Explain(t.Context(), s.inv, s.inv.Hosts())
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		at := fmt.Sprint(i + 1)
		search := e.Searches[0]
		diff(t, []string{at + "/cmdline.txt", at + "/config.txt", at + "/id", at + "/overlays/x.dtbo"}, search.Asks[search.Wins].Parts)
	}

	for i := range 2 * maxParts {
		s.write(fmt.Sprintf("conf/rpi/a/overlays/%d.dtbo", i), "x")
	}
	if all, err = s.Explain(t.Context(), s.inv, s.inv.Hosts()); err != nil {
		t.Fatal(err)
	}
	parts := all[0].Searches[0].Asks[0].Parts
	if len(parts) != maxParts-1 { // and the file itself
		t.Errorf("%d", len(parts))
	}
	diff(t, []string{"1/cmdline.txt", "1/config.txt", "1/id"}, parts[:3])
}

// Whatever of a directory is closed to TFTP servers is a reason.
func TestClosedParts(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode os.FileMode
		want string
	}{
		{"config.txt", 0o600, "reason: conf/rpi/a/config.txt has mode 0600, so that the user of a TFTP server cannot read it"},
		{"overlays", 0o700, "reason: conf/rpi/a/overlays has mode 0700, so that the user of a TFTP server cannot enter it"},
	} {
		dir := openRoot(t)
		s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: raspberry}, []string{"a"}, "h1 serial:1 "+mac1)
		s.deploy("a", "h1")
		s.write("conf/rpi/a/start4.elf", "x")
		s.write("conf/rpi/a/config.txt", "x")
		s.write("conf/rpi/a/overlays/1", "x")
		s.write("conf/rpi/a/overlays/2", "x")
		if err := os.Chmod(dir+"/conf/rpi/a/"+tt.name, tt.mode); err != nil {
			t.Fatal(err)
		}
		diff(t, []string{"h1 rpi: 1/start4.elf (a)", tt.want + ", which goes with 1/start4.elf; 'chmod o+rX' lets it"}, s.explained("h1"))
	}
}

// What nobody but its owner may read is opened for comparing with it, and a host's
// own link is known by what it leads to even where the disk lets nobody through.
func TestOpenClosed(t *testing.T) {
	dir := openRoot(t)
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf"}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	own := "pxelinux.cfg/" + lnk1
	for _, closed := range []struct {
		path string
		mode os.FileMode
	}{{"/conf/a", 0o600}, {"/pxelinux.cfg", 0o700}, {"", 0o700}} {
		if err := os.Chmod(dir+closed.path, closed.mode); err != nil {
			t.Fatal(err)
		}
		f, err := s.OpenClosed(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		_ = f.Close()
		if err != nil || !strings.Contains(string(text), " a\n") {
			t.Errorf("%q, %v", text, err)
		}
		if _, err := s.Open(t.Context(), own); pxepilot.ErrorCode(err) != pxepilot.Forbidden {
			t.Error(err)
		}
		all, err := s.Explain(t.Context(), s.inv, s.inv.Hosts())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all[0].Searches[0].Asks {
			if a.By == pxepilot.ByMAC {
				if d := cmp.Diff([]any{pxepilot.Unreadable, "a"}, []any{a.Found, a.Configuration}); d != "" {
					t.Errorf("%s: %s", closed.path, d)
				}
			}
		}
	}
}
