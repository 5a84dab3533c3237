package tftproot

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// sites are ways to lay out a TFTP root that machines look for files in.
var sites = [][]pxepilot.Bootloader{
	nil,
	{{Name: "pxelinux", File: "bios/pxelinux.0"}, {Name: "grub"}},
	{{Name: "grub-signed"}, {Name: "ipxe", File: "boot.ipxe"}},
	{{Name: "uboot", Links: []string{"pxelinux.cfg/{name}", "pxelinux.cfg/01-{mac}"}}},
	{{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}, {Name: "syslinux"}},
	{{Name: "grub", Links: []string{"g/grub.cfg-01-{mac}", "g/{mac:colon}"}}},
}

// TestExplainIsWhatMachinesGet makes any tree, and has the kernel say what a TFTP
// server gets there, with and without a chroot.
func TestExplainIsWhatMachinesGet(t *testing.T) {
	testenv.NeedRoot(t)
	base := fastDir(t)
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	checks(t, 60, 3000)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil {
			rt.Fatal(err)
		}
		loaders := rapid.SampledFrom(sites).Draw(rt, "site")
		s := siteAt(rt, Options{Path: dir + "/root", Directory: dir + "/root/conf", Bootloaders: loaders}, []string{"a", "b"},
			"h1 uuid:"+uuid1+" serial:s1 ip:10.99.0.185 "+mac1, "h3 serial:s3 "+mac3+" "+mac33, "h2 uuid:"+uuid2+" serial:s2 ip:10.99.0.186 "+mac2)
		for _, h := range []string{"h1", "h3"} {
			if rapid.Bool().Draw(rt, "deployed") {
				s.deploy("a", h)
			}
		}
		s.scramble(rt, dir)
		before := s.tree()
		explained, err := s.Explain(context.Background(), s.inv, s.inv.Hosts())
		if err != nil {
			if pxepilot.ErrorCode(err) == pxepilot.Unavailable {
				return // the root itself cannot be used, which is told by others
			}
			rt.Fatal(err)
		}
		if d := cmp.Diff(before, s.tree()); d != "" {
			rt.Fatalf("an explanation changed something: %s", d)
		}
		free, locked := judgeAs(rt, dir+"/root", false), judgeAs(rt, dir+"/root", true)
		defer free.dismiss()
		defer locked.dismiss()
		for i := range explained {
			for j := range explained[i].Searches {
				s.judgeSearch(rt, &explained[i], &explained[i].Searches[j], free, locked)
			}
		}
	})
}

// scramble does to a root what people do, and what they would not.
func (s *site) scramble(rt *rapid.T, dir string) {
	names := []string{"conf", "conf/a", "pxelinux.cfg", "boot/grub", "grub/host", "x", "y/z", "../out/file", "grub/grub.cfg", "boot.ipxe", "g/grub.cfg", "start.elf"}
	for l := range s.loaders {
		for _, h := range s.inv.Hosts() {
			asks, err := s.loaders[l].Search(h, h.MACs[0])
			if err != nil {
				rt.Fatal(err)
			}
			for _, a := range asks {
				names = append(names, a.Paths...)
			}
			names = append(names, s.names(h)...)
		}
		names = append(names, "conf/"+s.loaders[l].Name, "conf/"+s.loaders[l].Name+"/a", "conf/"+s.loaders[l].Name+"/c", "conf/"+s.loaders[l].Name+"/a/start4.elf", "conf/"+s.loaders[l].Name+"/b/start.elf")
	}
	name := rapid.SampledFrom(names)
	text := rapid.Custom(func(t *rapid.T) string {
		to, from := name.Draw(t, "to"), name.Draw(t, "from")
		rel, err := filepath.Rel(filepath.Dir("/"+from), "/"+to)
		if err != nil {
			rt.Fatal(err)
		}
		return rapid.SampledFrom([]string{rel, dir + "/root/" + to, "/" + to, "../../../" + to, dir + "/out/file", to, to + "/", ".", "..", path.Join("..", to)}).Draw(t, "text")
	})
	for range rapid.IntRange(0, 12).Draw(rt, "things") {
		p := filepath.Join(dir, "root", name.Draw(rt, "name"))
		if !strings.HasPrefix(p, dir) {
			continue
		}
		_ = os.MkdirAll(filepath.Dir(p), 0o755)
		switch rapid.SampledFrom([]string{"write", "write", "empty", "link", "link", "link", "directory", "fifo", "mode", "remove", "script"}).Draw(rt, "thing") {
		case "write":
			scribble(p, "file "+p)
		case "empty":
			scribble(p, "")
		case "link":
			_ = os.Remove(p)
			_ = os.Symlink(text.Draw(rt, "text"), p)
		case "directory":
			_ = os.Remove(p)
			_ = os.Mkdir(p, 0o755)
		case "fifo":
			_ = syscall.Mkfifo(p, 0o644)
		case "mode":
			_ = os.Chmod(p, os.FileMode(rapid.SampledFrom([]uint32{0o600, 0o640, 0o700, 0o750, 0o711, 0o755, 0o644}).Draw(rt, "mode")))
		case "remove":
			_ = os.Remove(p)
		case "script":
			for l := range s.loaders {
				if script := s.loaders[l].Script(); script != nil && script.Path != "" {
					_ = os.MkdirAll(filepath.Join(dir, "root", filepath.Dir(script.Path)), 0o755)
					scribble(filepath.Join(dir, "root", script.Path), script.Text)
				}
			}
		}
	}
}

// scribble writes a file, if it is one: a FIFO without a reader would block.
func scribble(p, text string) {
	if f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644); err == nil {
		_, _ = f.WriteString(text)
		_ = f.Close()
	}
}

// judgeSearch compares a search with what the kernel gives.
func (s *site) judgeSearch(rt *rapid.T, e *pxepilot.Explanation, search *pxepilot.Search, free, locked *stranger) {
	loader := &s.loaders[0]
	for l := range s.loaders {
		if s.loaders[l].Name == search.Bootloader {
			loader = &s.loaders[l]
		}
	}
	wins, inChroot := -1, -1
	led := true // a server in a chroot gave every script
	for i, a := range search.Asks {
		f, c := gift{err: syscall.ENOENT}, gift{err: syscall.ENOENT}
		usable := func(g gift) bool { return g.isThere() && (g.content != "" || !loader.SkipsEmpty()) }
		for _, p := range a.Paths {
			if got := free.get(p); !usable(f) && (errors.Is(f.err, syscall.ENOENT) || usable(got)) {
				f = got
			}
			if got := locked.get(p); usable(got) && !usable(c) {
				c = got
			}
		}
		if want := wanted(f, c, usable(f)); !a.Unknown && a.Found != want && (len(a.Paths) == 1 || a.Found.IsThere() != usable(f)) && !(want == pxepilot.Absent && a.Found == pxepilot.Broken) {
			rt.Fatalf("%s: %s is said to be %s (%s), and the kernel says %v %v: %s; in a chroot %v\n%v", search.Bootloader, a.Paths, a.Found, a.Note, f.mode, f.err, want, c.err, s.tree())
		}
		switch {
		case a.Unknown:
		case a.By == pxepilot.ByScript:
			led = usable(c)
		default:
			if wins < 0 && usable(f) {
				wins = i
			}
			if inChroot < 0 && led && usable(c) {
				inChroot = i
			}
		}
	}
	if search.Wins != wins || search.InChroot != inChroot {
		rt.Fatalf("%s: %d wins, %d in a chroot, and the kernel says %d and %d: %+v\n%v", search.Bootloader, search.Wins, search.InChroot, wins, inChroot, search.Asks, s.tree())
	}
	deployed := e.Status.State == pxepilot.Configured && !search.Unsure && search.Configuration == e.Status.Configuration
	if (e.Status.State == pxepilot.Configured || e.Status.State == pxepilot.None) && deployed != (len(search.Reasons) == 0) {
		rt.Fatalf("%s: it gets %q; %s %q: %q\n%v", search.Bootloader, search.Configuration, e.Status.State, e.Status.Configuration, search.Reasons, s.tree())
	}
	for _, text := range append(search.Reasons, search.Warnings...) {
		if strings.ContainsAny(text, "\n\r\x1b") || strings.Contains(text, "%!") {
			rt.Fatalf("%q", text)
		}
	}
	if wins < 0 {
		return
	}
	// What it gets is the configuration that is said, and what is shown is its content.
	got := free.get(search.Asks[wins].Path)
	if search.Configuration != "" && !loader.Directory {
		if info, err := os.Stat(filepath.Join(loader.directory, search.Configuration)); err != nil || idOf(info) != got.id {
			rt.Fatalf("%s is not %s: %v\n%v", search.Asks[wins].Path, search.Configuration, err, s.tree())
		}
	}
	if !loader.Directory && search.Content != got.content && search.Content != "" {
		rt.Fatalf("%s has %q, and not %q", search.Asks[wins].Path, got.content, search.Content)
	}
	real, err := filepath.EvalSymlinks(filepath.Join(s.path, search.Asks[wins].Path))
	if err == nil && search.Configuration == "" && !loader.Directory && filepath.Dir(real) == place(loader.directory) {
		if c, is := s.view().Configuration(filepath.Base(real)); is && c.Covers(loader.Name) {
			rt.Fatalf("%s is a configuration, at %s\n%v", search.Asks[wins].Path, real, s.tree())
		}
	}
}

// wanted is what should be told of what the kernel gives.
func wanted(free, locked gift, usable bool) pxepilot.Found {
	switch {
	case usable && locked.isThere() && locked.id == free.id:
		return pxepilot.Readable
	case usable:
		return pxepilot.Unchrooted
	case free.isThere():
		return pxepilot.Empty
	case errors.Is(free.err, syscall.EACCES) && free.mode.Type() != 0: // which is worse does not matter
		return pxepilot.NotAFile
	case errors.Is(free.err, syscall.EACCES):
		return pxepilot.Unreadable
	case errors.Is(free.err, syscall.ELOOP):
		return pxepilot.Broken
	case free.err == nil || errors.Is(free.err, syscall.ENXIO):
		return pxepilot.NotAFile
	}
	return pxepilot.Absent
}

// TestExplainWhileSwitching: what is explained is of one moment, before a switch or
// after it.
func TestExplainWhileSwitching(t *testing.T) {
	s := newSite(t, Options{Path: openRoot(t)}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h1", "h3")
	done := make(chan error)
	var over atomic.Bool
	go func() {
		var err error
		for i := 0; !over.Load() && err == nil; i++ {
			err = s.change(pxepilot.Deploy, []string{"a", "b"}[i%2], "h1", "h3")
		}
		done <- err
	}()
	for range 300 {
		explained, err := s.Explain(context.Background(), s.inv, s.inv.Hosts())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range explained {
			for _, search := range e.Searches {
				if e.Status.State != pxepilot.Configured || search.Configuration != e.Status.Configuration || len(search.Reasons) > 0 || !strings.Contains(search.Content, " "+search.Configuration) {
					t.Fatalf("%s %q gets %q (%q): %q", e.Status.State, e.Status.Configuration, search.Configuration, search.Content, search.Reasons)
				}
			}
		}
	}
	over.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
