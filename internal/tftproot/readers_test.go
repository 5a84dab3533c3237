package tftproot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// switches is how many of them readers look on at.
func switches() int {
	if testenv.Soak() {
		return 10000
	}
	return 1000
}

// watch runs a reader until done, and fails with what it saw wrong.
func watch(t *testing.T, done <-chan struct{}, wg *sync.WaitGroup, look func() string) {
	wg.Go(func() {
		for {
			if wrong := look(); wrong != "" {
				t.Error(wrong)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
}

// TestReadersSeeOldOrNew: while hosts in canonical shape are switched, every name
// always gives a whole configuration. The link of a further MAC address leads to
// the first one's all the time, so that the two never differ at any moment.
func TestReadersSeeOldOrNew(t *testing.T) {
	s := newSite(t, Options{Path: fastDir(t)}, []string{"a", "b"}, "h1 "+mac1, "h2 "+mac2, "h3 "+mac3+" "+mac33)
	all := []string{"h1", "h2", "h3"}
	s.deploy("a", all...)
	dir := filepath.Join(s.path, "pxelinux.cfg")
	done, wg := make(chan struct{}), sync.WaitGroup{}
	watch(t, done, &wg, func() string {
		for _, name := range []string{lnk1, lnk3, lnk33} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || string(data) != "LABEL pxelinux a\n" && string(data) != "LABEL pxelinux b\n" {
				return fmt.Sprintf("%s gives %q, %v", name, data, err)
			}
		}
		if text, err := os.Readlink(filepath.Join(dir, lnk33)); text != lnk3 {
			return fmt.Sprintf("the further link is %q, %v", text, err)
		}
		return ""
	})
	// Another one asks for a View during every switch.
	switching := make(chan struct{})
	wg.Go(func() {
		for range switching {
			v, err := s.View(context.Background(), s.inv)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, h := range v.Hosts {
				if h.State != pxepilot.Configured || !h.Canonical {
					t.Errorf("View shows %s as %s", h.Host.Name, h.State)
				}
			}
		}
	})
	for i := range switches() {
		switching <- struct{}{}
		s.deploy([]string{"b", "a"}[i%2], all...)
	}
	close(done)
	close(switching)
	wg.Wait()
}

// TestReadersSeeOldOrNewWhileAdopting: hosts whose links are in any other shape
// are brought into it while they are switched, and each name goes from old to new
// without anything in between.
func TestReadersSeeOldOrNewWhileAdopting(t *testing.T) {
	s := newSite(t, Options{Path: fastDir(t)}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33, "h4 00:00:00:00:00:04 00:00:00:00:00:44")
	const lnk4, lnk44 = "01-00-00-00-00-00-04", "01-00-00-00-00-00-44"
	dir := filepath.Join(s.path, "pxelinux.cfg")
	// mess brings the links out of shape again, at a configuration, with no
	// name ever missing or leading elsewhere.
	mess := func(c string) {
		s.symlink(filepath.Join(dir, "conf", c), "pxelinux.cfg/"+lnk1)
		s.symlink(filepath.Join(dir, lnk3), "pxelinux.cfg/"+lnk33)
		s.symlink(filepath.Join(dir, "conf", c), "pxelinux.cfg/"+lnk3)
		s.symlink("conf/"+c, "pxelinux.cfg/"+lnk44)
		s.symlink(lnk44, "pxelinux.cfg/"+lnk4)
	}
	var mu sync.RWMutex // held while the test itself makes a mess
	mess("a")
	was, round := "a", 1
	done, wg := make(chan struct{}), sync.WaitGroup{}
	seenNew := map[string]int{} // in which round
	watch(t, done, &wg, func() string {
		for _, name := range []string{lnk1, lnk3, lnk33, lnk4, lnk44} {
			mu.RLock()
			now, old := round, was
			data, err := os.ReadFile(filepath.Join(dir, name))
			mu.RUnlock()
			is := strings.TrimSuffix(strings.TrimPrefix(string(data), "LABEL pxelinux "), "\n")
			switch {
			case err != nil || is != "a" && is != "b":
				return fmt.Sprintf("%s gives %q, %v", name, data, err)
			case is != old:
				seenNew[name] = now
			case seenNew[name] == now:
				return name + " went back to the old configuration"
			}
		}
		return ""
	})
	for i := range switches() / 4 {
		s.deploy([]string{"b", "a"}[i%2], "h1", "h3", "h4")
		mu.Lock()
		was, round = []string{"b", "a"}[i%2], round+1
		mess(was)
		mu.Unlock()
	}
	close(done)
	wg.Wait()
}

// TestCanonicalHostsSwitchByOneRename: whatever a reader does, it cannot see a
// host of one loader half switched.
func TestCanonicalHostsSwitchByOneRename(t *testing.T) {
	macs := ""
	for i := range 20 {
		macs += " 02:00:00:00:00:" + string("0123456789abcdef"[i>>4]) + string("0123456789abcdef"[i&15])
	}
	s := newSite(t, Options{}, []string{"a", "b"}, "h1"+macs)
	s.deploy("a", "h1")
	steps, err := s.Change(context.Background(), s.inv, false, func(*pxepilot.View) ([]pxepilot.Move, error) {
		return s.moves(pxepilot.Deploy, "b", "h1"), nil
	})
	if err != nil || len(steps) != 1 {
		t.Fatalf("%d steps: %+v, %v", len(steps), steps, err)
	}
	for name, content := range s.fetchAll() {
		if content != "LABEL pxelinux b\n" {
			t.Errorf("%s gives %q", name, content)
		}
	}
}

// TestChangesExcludeEachOther: many at once, in this process and as other ones,
// end with every host at the configuration of a change that told so last.
func TestChangesExcludeEachOther(t *testing.T) {
	s := newSite(t, Options{}, []string{"a", "b", "c"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	other := *s
	other.Root = s.fresh()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			site := []*site{s, &other}[i%2]
			if err := site.change(pxepilot.Deploy, []string{"a", "b", "c"}[i%3], "h1", "h3"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.states(); got != "h1=a h3=a" && got != "h1=b h3=b" && got != "h1=c h3=c" {
		t.Errorf("%s", got)
	}
	if left := s.leftovers(); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
