package tftproot

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// read is what Open gives for a name.
func (s *site) read(name string) (string, *pxepilot.File, error) {
	f, err := s.Open(context.Background(), name)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err == nil && int64(len(data)) != f.Size {
		err = errors.New("its size is another one")
	}
	return string(data), f, err
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, Options{Path: dir + "/root", Directory: dir + "/conf", Absolute: true, Bootloaders: []pxepilot.Bootloader{
		{Name: "pxelinux"}, {Name: "grub"}, {Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}},
	}}, []string{"a"}, "h1 "+mac1+" "+mac2+" serial:1234")
	s.write("pxelinux.cfg/default", "default")
	s.write("pxelinux.cfg/own", "own")
	s.write("images/vmlinuz", "kernel")
	s.deploy("a", "h1")
	s.symlink(dir+"/root/images/./vmlinuz", "vmlinuz")
	s.symlink("../images/../images", "pxelinux.cfg/images")
	s.symlink("../pxelinux.cfg", "efi64/pxelinux.cfg")
	s.symlink("../../conf/pxelinux/a", "images/out") // into the configuration directory, by way of what is above
	s.write("images/.hidden", "hidden")
	s.write("images/two words é", "two words")
	const grub1 = "boot/grub/grub.cfg-" + lnk1
	for _, tt := range []struct{ name, want, bootloader, configuration, links string }{
		{"pxelinux.cfg/default", "default", "", "", ""},
		{"/pxelinux.cfg//default", "default", "", "", ""},
		{"./pxelinux.cfg/./default", "default", "", "", ""},
		{"pxelinux.cfg/" + lnk1, "LABEL pxelinux a\n", "pxelinux", "a", "pxelinux.cfg/" + lnk1},
		{"pxelinux.cfg/" + lnk2, "LABEL pxelinux a\n", "pxelinux", "a", "pxelinux.cfg/" + lnk2 + " pxelinux.cfg/" + lnk1},
		{"efi64/pxelinux.cfg/" + lnk1, "LABEL pxelinux a\n", "pxelinux", "a", "efi64/pxelinux.cfg pxelinux.cfg/" + lnk1},
		{grub1, "LABEL grub a\n", "grub", "a", grub1},
		{"1234/id", "LABEL rpi a\n", "rpi", "a", "1234"},
		{"vmlinuz", "kernel", "", "", "vmlinuz"},
		{"pxelinux.cfg/images/vmlinuz", "kernel", "", "", "pxelinux.cfg/images"},
		{"images/out", "LABEL pxelinux a\n", "pxelinux", "a", "images/out"},
		{"images/.hidden", "hidden", "", "", ""},
		{"images/two words é", "two words", "", "", ""},
	} {
		got, f, err := s.read(tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		diff(t, []string{tt.want, tt.bootloader, tt.configuration, tt.links}, []string{got, f.Bootloader, f.Configuration, strings.Join(f.Links, " ")})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, Options{Path: dir + "/root"}, []string{"a"}, "h1 "+mac1)
	s.write("../secret", "secret")
	s.write("../rootless/secret", "secret")
	s.write("default", "default")
	s.write("closed", "closed")
	s.write("shut/file", "closed")
	s.write("plans/"+layout.TempPrefix+"plan", "plan")
	s.write(layout.TempPrefix+"d/file", "ours")
	s.symlink(layout.TempPrefix+"plan", "plans/plan")
	s.symlink("conf/gone", "pxelinux.cfg/"+lnk1)
	s.symlink(lnk1, "pxelinux.cfg/"+lnk2)
	s.symlink("default/", "slash")
	s.symlink("default/x", "below")
	s.symlink("loop", "loop")
	s.symlink("/etc/passwd", "passwd")
	s.symlink("../secret", "up")
	s.symlink("/../../../../../../../../etc/passwd", "far")
	s.symlink(dir+"/root/../secret", "mapped")
	s.symlink(dir+"/rootless/secret", "prefix")
	s.symlink("..", "parent")
	s.symlink("shut/file", "toShut")
	if err := unix.Mkfifo(s.path+"/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"closed": 0o640, "shut": 0o750, "fifo": 0o666} {
		if err := os.Chmod(filepath.Join(s.path, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	const leaves = `" leaves the TFTP root: the link `
	const closed = " is closed to others, and so to TFTP servers; let everybody read files (chmod o+r) and enter directories (chmod o+x)"
	for _, tt := range []struct {
		name string
		code pxepilot.Code
		want string
	}{
		{"gone", pxepilot.NotFound, `"gone" is not there`},
		{"gone/x", pxepilot.NotFound, `"gone/x" is not there`},
		{"default/x", pxepilot.NotFound, `"default/x" is not there`},
		{"default/", pxepilot.NotFound, `"default/" is not there`},
		{"default/.", pxepilot.NotFound, `"default/." is not there`},
		{"DEFAULT", pxepilot.NotFound, `"DEFAULT" is not there`},
		{"pxelinux.cfg/" + lnk1, pxepilot.NotFound, `"pxelinux.cfg/` + lnk1 + `" leads to nothing: the link "pxelinux.cfg/` + lnk1 + `" leads to "conf/gone", and "pxelinux.cfg/conf/gone" is not there`},
		{"pxelinux.cfg/" + lnk2, pxepilot.NotFound, `"pxelinux.cfg/` + lnk2 + `" leads to nothing: the link "pxelinux.cfg/` + lnk1 + `" leads to "conf/gone", and "pxelinux.cfg/conf/gone" is not there`},
		{"slash", pxepilot.NotFound, `"slash" leads to nothing: the link "slash" leads to "default/", and "default" is not there`},
		{"below", pxepilot.NotFound, `"below" leads to nothing: the link "below" leads to "default/x", and "default" is not there`},
		{"loop", pxepilot.NotFound, `"loop" leads in a circle, or through more than 40 links`},
		{"", pxepilot.NotFound, `"" is a directory; ask for a file in it`},
		{"/", pxepilot.NotFound, `"/" is a directory; ask for a file in it`},
		{"pxelinux.cfg", pxepilot.NotFound, `"pxelinux.cfg" is a directory; ask for a file in it`},
		{"pxelinux.cfg/", pxepilot.NotFound, `"pxelinux.cfg/" is a directory; ask for a file in it`},
		{"fifo", pxepilot.NotFound, `"fifo" is neither a file nor a directory`},
		{"passwd", pxepilot.Forbidden, `"passwd` + leaves + `"passwd" leads to "/etc/passwd"; have it lead to what is inside`},
		{"up", pxepilot.Forbidden, `"up` + leaves + `"up" leads to "../secret"; have it lead to what is inside`},
		{"far", pxepilot.Forbidden, `"far` + leaves + `"far" leads to "/../../../../../../../../etc/passwd"; have it lead to what is inside`},
		{"mapped", pxepilot.Forbidden, `"mapped` + leaves + `"mapped" leads to "` + dir + `/root/../secret"; have it lead to what is inside`},
		{"prefix", pxepilot.Forbidden, `"prefix` + leaves + `"prefix" leads to "` + dir + `/rootless/secret"; have it lead to what is inside`},
		{"parent/secret", pxepilot.Forbidden, `"parent/secret` + leaves + `"parent" leads to ".."; have it lead to what is inside`},
		{"parent/root/closed", pxepilot.Forbidden, `"parent/root/closed": "closed"` + closed},
		{"..", pxepilot.Forbidden, `"..": a name with ".." is not followed; ask for the file by its path below the TFTP root`},
		{"pxelinux.cfg/../default", pxepilot.Forbidden, `"pxelinux.cfg/../default": a name with ".." is not followed; ask for the file by its path below the TFTP root`},
		{"closed", pxepilot.Forbidden, `"closed": "closed"` + closed},
		{"shut/file", pxepilot.Forbidden, `"shut/file": "shut"` + closed},
		{"shut/gone", pxepilot.Forbidden, `"shut/gone": "shut"` + closed},
		{"toShut", pxepilot.Forbidden, `"toShut": "shut"` + closed},
		{"plans/" + layout.TempPrefix + "plan", pxepilot.NotFound, `"plans/.pxe-pilot.plan" is not there`},
		{"plans/plan", pxepilot.NotFound, `"plans/plan" leads to nothing: the link "plans/plan" leads to ".pxe-pilot.plan", and "plans/.pxe-pilot.plan" is not there`},
		{layout.TempPrefix + "d/file", pxepilot.NotFound, `".pxe-pilot.d/file" is not there`},
		{"default\x00", pxepilot.NotFound, `"default\x00" is not there`},
		{"a\n\x1b[2J", pxepilot.NotFound, `"a\n\x1b[2J" is not there`},
		{strings.Repeat("x", 300), pxepilot.NotFound, `"` + strings.Repeat("x", 80) + `"... is not there`},
		{strings.Repeat("x/", 5000), pxepilot.NotFound, `"` + strings.Repeat("x/", 40) + `"... is not there`},
	} {
		got, _, err := s.read(tt.name)
		if pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.want {
			t.Errorf("%.99q: %q, %s: %v\nwant %s", tt.name, got, pxepilot.ErrorCode(err), err, tt.want)
		}
	}
	if err := os.Chmod(s.path, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.read("default"); pxepilot.ErrorCode(err) != pxepilot.Forbidden || !strings.HasPrefix(err.Error(), `"default": the TFTP root is closed`) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx, "default"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := os.RemoveAll(s.path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.read("default"); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Errorf("%v", err)
	}
}

// Whatever comes of it, nothing but the file is left open.
func TestOpenLeavesNothingOpen(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	s.symlink("/etc/passwd", "leaving")
	s.symlink("conf/gone", "pxelinux.cfg/"+lnk2)
	s.write("closed/file", "closed")
	if err := os.Chmod(s.path+"/closed", 0o700); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	for _, name := range []string{"pxelinux.cfg/" + lnk1, "pxelinux.cfg/" + lnk2, "leaving", "closed/file", "pxelinux.cfg", "gone", "a/../b"} {
		_, _, _ = s.read(name)
	}
	if after := open(); after > before {
		t.Errorf("%d files are open, %d before", after, before)
	}
}

// A site that is not whole still gives the files that it has.
func TestOpenWithoutConfigurations(t *testing.T) {
	s := newSite(t, Options{}, nil, "h1 "+mac1)
	s.write("pxelinux.cfg", "in the way of the links")
	if got, f, err := s.read("pxelinux.cfg"); err != nil || f.Configuration != "" || got != "in the way of the links" {
		t.Errorf("%q, %v", got, err)
	}
}

// Tags and times never let somebody keep what is not given any more.
func TestOpenTellsChanges(t *testing.T) {
	s := newSite(t, Options{}, []string{"a", "b"}, "h1 "+mac1)
	s.deploy("a", "h1")
	const link = "pxelinux.cfg/" + lnk1
	look := func(after time.Duration) *pxepilot.File {
		t.Helper()
		s.now = func() time.Time { return time.Now().Add(after) }
		_, f, err := s.read(link)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if young, again := look(0), look(time.Second); !young.ModTime.IsZero() || young.Tag == again.Tag {
		t.Errorf("what changed just now has the time %v, and the tags %s and %s", young.ModTime, young.Tag, again.Tag)
	}
	a := look(time.Hour)
	if again := look(2 * time.Hour); again.Tag != a.Tag || !again.ModTime.Equal(a.ModTime) || a.ModTime.IsZero() {
		t.Errorf("%v %v", a, again)
	}
	// b is older than a, but the link to it is new.
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(s.path+"/pxelinux.cfg/conf/b", long, long); err != nil {
		t.Fatal(err)
	}
	s.deploy("b", "h1")
	if b := look(time.Hour); b.Tag == a.Tag || !b.ModTime.After(a.ModTime) {
		t.Errorf("%v %v", a, b)
	}
	s.write("pxelinux.cfg/conf/b", "LABEL pxelinux c\n")
	if b, again := look(time.Hour), look(2*time.Hour); b.Tag != again.Tag || b.Tag == a.Tag {
		t.Errorf("%v %v", b, again)
	}
}

// While hosts are switched every name gives a whole configuration.
func TestOpenSeesOldOrNew(t *testing.T) {
	s := newSite(t, Options{Path: fastDir(t) + "/root"}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	done, wg := make(chan struct{}), sync.WaitGroup{}
	for _, name := range []string{lnk1, lnk33} {
		watch(t, done, &wg, func() string {
			got, f, err := s.read("pxelinux.cfg/" + name)
			if err != nil || got != "LABEL pxelinux "+f.Configuration+"\n" {
				return name + " gives " + got + ": " + pxepilot.ErrorMessage(err)
			}
			return ""
		})
	}
	for i := range switches() {
		s.deploy([]string{"b", "a"}[i%2], "h1", "h3")
	}
	close(done)
	wg.Wait()
}

// Whoever may write in the root cannot have files from outside of it opened by
// putting one thing in the place of another at the right moment.
func TestOpenIsNotRaced(t *testing.T) {
	s := newSite(t, Options{Path: fastDir(t) + "/root"}, []string{"a"}, "h1 "+mac1)
	s.write("../outside/file", "secret")
	s.write("inside/file", "inside")
	s.write("inside/plain", "inside")
	s.write("inside/closed", "secret")
	if err := os.Chmod(s.path+"/inside/closed", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(s.path+"/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	done, wg := make(chan struct{}), sync.WaitGroup{}
	for _, name := range []string{"d/file", "f", "inside/file"} {
		watch(t, done, &wg, func() string {
			switch got, _, err := s.read(name); {
			case err == nil && got != "inside":
				return name + " gives " + got
			case err != nil && pxepilot.ErrorCode(err) == pxepilot.Internal:
				return name + ": " + err.Error()
			}
			return ""
		})
	}
	swap := func(from, to string) {
		if err := os.RemoveAll(s.path + "/" + to); err != nil {
			t.Error(err)
		}
		if err := os.Rename(s.path+"/"+from, s.path+"/"+to); err != nil {
			t.Error(err)
		}
	}
	for range switches() {
		s.symlink("../outside", "t1")
		s.write("t2/file", "inside")
		swap("t2", "d")
		swap("t1", "d")
		s.symlink("inside", "t3")
		swap("t3", "d")
		for i, kind := range []func(p string) error{
			func(p string) error { return os.Symlink("../outside/file", p) },
			func(p string) error { return os.Link(s.path+"/inside/plain", p) },
			func(p string) error { return os.Link(s.path+"/fifo", p) },
			func(p string) error { return os.Symlink("inside/plain", p) },
			func(p string) error { return os.Link(s.path+"/inside/closed", p) },
			func(p string) error { return os.Mkdir(p, 0o755) },
		} {
			if err := kind(s.path + "/t4"); err != nil {
				t.Fatal(err, i)
			}
			swap("t4", "f")
		}
	}
	close(done)
	wg.Wait()
}

// TestOpenIsTheKernel: whatever links there are, what is given is what the kernel
// finds, and never from outside.
func TestOpenIsTheKernel(t *testing.T) {
	checks(t, 500, 20000)
	base := fastDir(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := siteAt(t, Options{Path: dir + "/root"}, []string{"a"}, "h1 "+mac1)
		s.write("../secret", "secret")
		s.write("d/e/file", "inside")
		s.write("file", "inside")
		names := []string{"file", "a", "b", "d", "d/a", "d/b", "d/e", "d/e/c", "d/file", "d/e/file", "secret", "pxelinux.cfg/conf/a"}
		texts := append([]string{"..", "../..", "../../secret", "../secret", "/", ".", "../d", "../d/e", "../root/d", "e", "e/c/../a", "file/", "/etc/passwd", dir + "/root/d", dir + "/root/d/../../secret", dir + "/root"}, names...)
		for _, name := range []string{"a", "b", "d/a", "d/b", "d/e/c"} {
			if text := rapid.SampledFrom(append(texts, "")).Draw(t, name); text != "" {
				s.symlink(text, name)
			}
		}
		for _, dark := range rapid.SliceOfN(rapid.SampledFrom([]string{"d", "d/e", "file", "d/e/file"}), 0, 1).Draw(t, "closed") {
			if err := os.Chmod(filepath.Join(s.path, dark), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			name := strings.Join(rapid.SliceOfN(rapid.SampledFrom(append(names, ".", "", "c")), 1, 4).Draw(t, "name"), "/")
			got, f, err := s.read(name)
			if err != nil {
				if code := pxepilot.ErrorCode(err); code != pxepilot.NotFound && code != pxepilot.Forbidden {
					t.Fatalf("%s: %v", name, err)
				}
				if code := pxepilot.ErrorCode(err); code == pxepilot.NotFound {
					if info, err := os.Stat(filepath.Join(s.path, name)); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(name, "/") && !strings.HasSuffix(name, "/.") {
						t.Fatalf("%s is said not to be there, and the kernel finds it", name)
					}
				}
				continue
			}
			want, err := os.ReadFile(s.path + "/" + name)
			if err != nil || got != string(want) || got == "secret" {
				t.Fatalf("%s gives %q, and the kernel says %q, %v", name, got, want, err)
			}
			real, err := filepath.EvalSymlinks(s.path + "/" + name)
			if err != nil || !within(place(s.path), real) {
				t.Fatalf("%s is at %s, %v", name, real, err)
			}
			for p := real; len(p) >= len(s.path); p = filepath.Dir(p) {
				info, err := os.Stat(p)
				if err != nil || info.Mode()&0o001 == 0 && info.IsDir() || info.Mode()&0o004 == 0 && !info.IsDir() {
					t.Fatalf("%s was opened, for all that %s is %v, %v", name, p, info.Mode(), err)
				}
			}
			if f.Configuration != "" && (f.Configuration != "a" || real != place(s.path)+"/pxelinux.cfg/conf/a") {
				t.Fatalf("%s is %s, and at %s", name, f.Configuration, real)
			}
		}
	})
}

// FuzzOpen asks for any name over any link.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"link", "link/file", "link/../../secret", "..", "/etc/passwd", "d//link", "d/\x00", "%2e%2e/secret", strings.Repeat("../", 99) + "etc/passwd", "link/\xff", "\x1b"} {
		f.Add(name, "../secret")
		f.Add(name, "ROOT/../secret")
		f.Add(name, "d")
	}
	s := newSite(f, Options{Path: fastDir(f) + "/root"}, nil)
	s.write("../secret", "secret")
	s.write("d/file", "inside")
	f.Fuzz(func(t *testing.T, name, text string) {
		_ = os.Remove(s.path + "/link")
		_ = os.Symlink(strings.ReplaceAll(text, "ROOT", s.path), s.path+"/link")
		got, _, err := s.read(name)
		if err == nil && got != "inside" {
			t.Fatalf("%q over %q gives %.100q", name, text, got)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\n\r\x1b\x00") || len(err.Error()) > 1000) {
			t.Fatalf("%q over %q: not one line: %q", name, text, err)
		}
	})
}
