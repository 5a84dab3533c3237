package tftproot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
)

// FuzzLink gives two links any text ("ROOT" stands for the root's path): what
// View says of them is what the kernel finds, and a deploy mends them.
func FuzzLink(f *testing.F) {
	for _, text := range []string{
		"conf/a", "./conf//a", "conf/a/", "conf/a/.", "conf/./a", "conf/../conf/a", "conf/a/../a", "missing/../conf/a", "conf", ".", "..", "/", "ROOT",
		"ROOT/pxelinux.cfg/conf/a", "ROOT/pxelinux.cfg/conf/a/", "//ROOT/./pxelinux.cfg//conf/b", "ROOT/../etc/passwd", "../../../../../etc/passwd", "/etc/passwd",
		lnk1, lnk3, "../pxelinux.cfg/" + lnk3, "../loop/loop/conf/a", "../d/conf/b", "conf/c", "conf/c/", "conf/\xff\n", strings.Repeat("../", 1000), strings.Repeat("x", 256),
		strings.Repeat("../loop/", 41) + "conf/a", "\x1b[2J",
	} {
		f.Add(text, "conf/b")
		f.Add(lnk3, text)
	}
	s := newSite(f, Options{Path: fastDir(f)}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	s.symlink("a", "pxelinux.cfg/conf/c")
	s.symlink(".", "loop")
	s.symlink("pxelinux.cfg", "d")
	s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
	link := func(text, name string) (string, bool) {
		text = strings.ReplaceAll(text, "ROOT", s.path)
		p := filepath.Join(s.path, "pxelinux.cfg", name)
		_ = os.Remove(p)
		return text, os.Symlink(text, p) == nil
	}
	f.Fuzz(func(t *testing.T, text1, text3 string) {
		s.t = t
		text1, ok1 := link(text1, lnk1)
		text3, ok3 := link(text3, lnk3)
		v := s.view()
		for _, h := range v.Hosts {
			for _, l := range h.Links {
				_, err := os.Stat(filepath.Join(s.path, l.Path))
				if leads := l.Configuration != ""; leads && s.fetch(l.Path) != s.fetch("pxelinux.cfg/conf/"+l.Configuration) {
					t.Fatalf("%s is said to lead to %s, and the kernel finds %q, %v", l.Path, l.Configuration, s.fetch(l.Path), err)
				}
				if l.State == pxepilot.Dangling && err == nil {
					t.Fatalf("%s is said to lead to nothing, and the kernel finds something", l.Path)
				}
			}
		}
		if staysInside(s.path, text1) && staysInside(s.path, text3) {
			if d := cmp.Diff(s.naive().hosts(), v.Hosts, cmpopts.IgnoreFields(pxepilot.Link{}, "Through"), cmp.Comparer(func(a, b *pxepilot.Host) bool { return a == b })); d != "" {
				t.Fatalf("%q, %q: -judged +seen:\n%s", text1, text3, d)
			}
		}
		for _, finding := range s.Audit(s.inv) {
			if strings.ContainsAny(finding.Message, "\n\r\x1b") {
				t.Fatalf("more than one line: %q", finding.Message)
			}
		}
		s.deploy("a", "h1", "h3")
		if !ok1 && !ok3 {
			return
		}
		diff(t, "h1=a h3=a", s.states())
	})
}

// staysInside says whether following a text cannot go through other places than
// the root's: out there, the naive judge sees more than TFTP servers may.
func staysInside(root, text string) bool {
	if rest, ok := strings.CutPrefix(text, root); ok {
		return !strings.Contains(rest, "..") && !strings.Contains(rest, "loop")
	}
	return !filepath.IsAbs(text) && strings.Count(text, "..") <= 1 && strings.Count(text, "loop") < 20
}

// sealed is a plan as it is written.
func sealed(direction byte, body string) string {
	return fmt.Sprintf("%c %x\n%s", direction, sha256.Sum256([]byte(body)), body)
}

// FuzzPlan starts on any plan: one that is not whole was not begun, and one that
// is changes nothing outside of the root, whatever it says.
func FuzzPlan(f *testing.F) {
	const step = `{"version":1,"dirs":["pxelinux.cfg"],"steps":[{"h":"h1","l":"pxelinux","d":0,"n":"` + lnk1 + `","p":"pxelinux.cfg/` + lnk1 + `","w":"conf/a","b":"conf/b","c":true}]}`
	for _, body := range []string{
		step, "", "{}", `{"version":1}`, `{"version":2,"dirs":["/"]}`,
		strings.Replace(step, "pxelinux.cfg", "../../outside", 1), strings.Replace(step, "pxelinux.cfg", "/etc", 1), strings.Replace(step, `"d":0`, `"d":7`, 1),
		strings.Replace(step, lnk1, "..", 1), strings.Replace(step, lnk1, "../x", 1), strings.Replace(step, lnk1, "", 1), strings.Replace(step, "conf/a", "", 1),
		strings.Replace(step, `"conf/b"`, `"", "f":true, "k":"../../../outside"`, 1), strings.Replace(step, "pxelinux.cfg", "missing/deep", 1),
	} {
		for _, head := range []string{"F", "B", "F ", ""} {
			f.Add(head, body, true)
			f.Add(head, body, false)
		}
	}
	base := fastDir(f)
	f.Fuzz(func(t *testing.T, head, body string, whole bool) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := newSite(t, Options{Path: dir + "/root"}, []string{"a", "b"}, "h1 "+mac1)
		s.deploy("a", "h1")
		s.write("../outside", "theirs")
		before := s.tree()
		data := head + body
		if whole {
			data = sealed((head + "F")[0], body)
		}
		s.write(planName, data)
		err = s.Recover(context.Background())
		switch {
		case err != nil && (pxepilot.ErrorCode(err) != pxepilot.Unavailable || strings.ContainsAny(err.Error(), "\n\r\x1b")):
			t.Fatalf("%v", err)
		case err != nil:
			delete(before, planName)
		case len(s.leftovers()) > 0:
			t.Fatalf("left over: %v", s.leftovers())
		}
		if !whole && !strings.Contains(data, "\n") {
			diff(t, before, s.tree())
		}
		if outside, err := os.ReadFile(dir + "/outside"); string(outside) != "theirs" {
			t.Fatalf("%q, %v", outside, err)
		}
		entries, _ := os.ReadDir(dir)
		if len(entries) != 2 || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "root" }) {
			t.Fatalf("%v", entries)
		}
	})
}

// TestLinksAreCounted as the kernel counts them: 40 are followed, no more.
func TestLinksAreCounted(t *testing.T) {
	for _, far := range []bool{false, true} {
		for n := 38; n <= 42; n++ {
			s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
			s.symlink("x1", "pxelinux.cfg/"+lnk1)
			for i := 1; i < n; i++ {
				text := fmt.Sprintf("x%d", i+1)
				if i == n-1 {
					text = "conf/a"
				}
				if far && i == 20 {
					text = "./" + text
				}
				s.symlink(text, fmt.Sprintf("pxelinux.cfg/x%d", i))
			}
			_, err := os.Stat(filepath.Join(s.path, "pxelinux.cfg", lnk1))
			if got := s.view().Hosts[0].State; (got == pxepilot.Configured) != (err == nil) {
				t.Errorf("through %d links: %s, and the kernel says %v", n, got, err)
			}
		}
	}
}
