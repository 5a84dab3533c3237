package tftproot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: []pxepilot.Bootloader{
		{Name: "grub"}, {Name: "pxelinux"}, {Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}},
	}}, []string{"a"})
	s.write("conf/rpi/a/overlays/x", "")
	s.write("conf/rpi/a/two\nlines", "")
	s.write("conf/pxelinux/only", "DEFAULT only\n")
	s.symlink("../pxelinux/a", "conf/grub/link")
	s.symlink(dir+"/conf/pxelinux/a", "conf/grub/whole")
	s.write("conf/grub/largest", strings.Repeat("x", MaxContent))
	for name, want := range map[string][]pxepilot.Variant{
		"a":       {{Bootloader: "grub", Content: "LABEL grub a\n"}, {Bootloader: "pxelinux", Content: "LABEL pxelinux a\n"}, {Bootloader: "rpi", Content: "\"two\\nlines\"\nid\noverlays/\n"}},
		"only":    {{Bootloader: "pxelinux", Content: "DEFAULT only\n"}},
		"link":    {{Bootloader: "grub", Content: "LABEL pxelinux a\n"}},
		"whole":   {{Bootloader: "grub", Content: "LABEL pxelinux a\n"}},
		"largest": {{Bootloader: "grub", Content: strings.Repeat("x", MaxContent)}},
	} {
		got, err := s.Read(t.Context(), name)
		if err != nil {
			t.Error(err)
		}
		diff(t, want, got)
	}
	if s.Path() != dir {
		t.Errorf("%s", s.Path())
	}
}

func TestReadRefuses(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"})
	const conf = "pxelinux.cfg/conf/"
	s.write(conf+".hidden", "")
	s.write(conf+"a~", "")
	s.write(conf+"large", strings.Repeat("x", MaxContent+1))
	s.write(conf+"latin1", "\xe4")
	s.write(conf+"directory/x", "")
	s.symlink("/etc/passwd", conf+"leaving")
	s.symlink("../../../../../../../../etc/passwd", conf+"climbing")
	s.symlink("nothing", conf+"dangling")
	s.symlink("circle", conf+"circle")
	if err := unix.Mkfifo(filepath.Join(s.path, conf, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		code pxepilot.Code
		want string
	}{
		{"b", pxepilot.NotFound, `configuration "b" not found`},
		{"", pxepilot.NotFound, `the name is empty`},
		{"..", pxepilot.NotFound, `the name ".." is a directory's`},
		{"../conf/a", pxepilot.NotFound, `the name "../conf/a" contains a slash`},
		{"a\x00", pxepilot.NotFound, `the name "a\x00" contains a control character`},
		{".hidden", pxepilot.NotFound, `configuration ".hidden" not found`},
		{"a~", pxepilot.NotFound, `configuration "a~" not found`},
		{"directory", pxepilot.NotFound, `configuration "directory" not found`},
		{"leaving", pxepilot.NotFound, `configuration "leaving" not found`},
		{"climbing", pxepilot.NotFound, `configuration "climbing" not found`},
		{"dangling", pxepilot.NotFound, `configuration "dangling" not found`},
		{"circle", pxepilot.NotFound, `configuration "circle" not found`},
		{"fifo", pxepilot.NotFound, `configuration "fifo" not found`},
		{"large", pxepilot.Unprocessable, `configuration "large" is larger than 1024 KiB and is not shown`},
		{"latin1", pxepilot.Unprocessable, `configuration "latin1" is not UTF-8 text and is not shown`},
	} {
		got, err := s.Read(t.Context(), tt.name)
		if got != nil || pxepilot.ErrorCode(err) != tt.code || err.Error() != tt.want {
			t.Errorf("%q: %s: %v, want %s", tt.name, pxepilot.ErrorCode(err), err, tt.want)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.path, conf)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), "a"); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Errorf("%v", err)
	}
}
