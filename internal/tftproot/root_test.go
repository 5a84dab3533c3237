package tftproot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// A site is a TFTP root in a temporary directory.
type site struct {
	*Root
	t    testing.TB
	path string
	inv  *pxepilot.Inventory
}

// newSite makes a root with configurations and hosts. A host is "name mac mac".
func newSite(t testing.TB, o Options, configurations []string, hosts ...string) *site {
	t.Helper()
	if o.Path == "" {
		o.Path = t.TempDir()
	}
	if o.Directory == "" {
		o.Directory = filepath.Join(o.Path, "pxelinux.cfg/conf")
	}
	s := &site{t: t, path: o.Path, inv: inventory(t, hosts...)}
	for _, c := range configurations {
		s.write(strings.TrimPrefix(filepath.Join(o.Directory, c), o.Path+"/"), "LABEL "+c+"\n")
	}
	var err error
	if s.Root, err = New(o); err != nil {
		t.Fatal(err)
	}
	return s
}

func inventory(t testing.TB, hosts ...string) *pxepilot.Inventory {
	t.Helper()
	var list []*pxepilot.Host
	for _, h := range hosts {
		f := strings.Fields(h)
		host := &pxepilot.Host{Name: f[0]}
		for _, m := range f[1:] {
			mac, err := pxepilot.ParseMAC(m)
			if err != nil {
				t.Fatal(err)
			}
			host.MACs = append(host.MACs, mac)
		}
		list = append(list, host)
	}
	inv, err := pxepilot.NewInventory(list)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func (s *site) write(name, content string) {
	s.t.Helper()
	p := filepath.Join(s.path, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) symlink(text, name string) {
	s.t.Helper()
	p := filepath.Join(s.path, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		s.t.Fatal(err)
	}
	_ = os.Remove(p)
	if err := os.Symlink(text, p); err != nil {
		s.t.Fatal(err)
	}
}

// tree lists what is in the root: links with their texts, files with "-".
func (s *site) tree() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(s.path, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(s.path, p)
		found[rel] = "-"
		if d.Type()&os.ModeSymlink != 0 {
			found[rel], err = os.Readlink(p)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// links is tree without files, and without the link directory's name.
func (s *site) links() map[string]string {
	links := map[string]string{}
	for p, text := range s.tree() {
		if text != "-" {
			links[strings.TrimPrefix(p, "pxelinux.cfg/")] = text
		}
	}
	return links
}

func (s *site) host(name string) *pxepilot.Host {
	h := s.inv.ByName(name)
	if h == nil {
		s.t.Fatalf("no host %s", name)
	}
	return h
}

func (s *site) change(want pxepilot.Want, configuration string, hosts ...string) error {
	_, err := s.Change(context.Background(), s.inv, false, func(v *pxepilot.View) ([]pxepilot.Move, error) {
		var moves []pxepilot.Move
		for _, h := range hosts {
			moves = append(moves, pxepilot.Move{Host: s.host(h), Want: want, Configuration: configuration})
		}
		return moves, nil
	})
	return err
}

func (s *site) deploy(configuration string, hosts ...string) {
	s.t.Helper()
	if err := s.change(pxepilot.Deploy, configuration, hosts...); err != nil {
		s.t.Fatalf("deploy %s %v: %v", configuration, hosts, err)
	}
}

func (s *site) view() *pxepilot.View {
	s.t.Helper()
	v, err := s.View(context.Background(), s.inv)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// states is each host's configuration, or state in parentheses, with a "*" where
// a repair has something to do.
func (s *site) states() string {
	s.t.Helper()
	var list []string
	for _, h := range s.view().Hosts {
		is := h.Configuration
		if h.State != pxepilot.Configured {
			is = "(" + string(h.State) + ")"
		}
		if !h.Canonical {
			is += "*"
		}
		list = append(list, h.Host.Name+"="+is)
	}
	return strings.Join(list, " ")
}

func diff(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

const (
	mac1, mac2, mac3, mac33 = "00:00:00:00:00:01", "00:00:00:00:00:02", "00:00:00:00:00:03", "00:00:00:00:00:33"
	lnk1, lnk2, lnk3, lnk33 = "01-00-00-00-00-00-01", "01-00-00-00-00-00-02", "01-00-00-00-00-00-03", "01-00-00-00-00-00-33"
)

func TestDeployLeadsTheFirstMACAndTheOthersFollow(t *testing.T) {
	s := newSite(t, Options{}, []string{"local", "ubuntu-16.04"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
	diff(t, "h1=(none) h3=(none)", s.states())
	s.deploy("local", "h1", "h3")
	diff(t, map[string]string{lnk1: "conf/local", lnk3: "conf/local", lnk33: lnk3}, s.links())
	diff(t, "h1=local h3=local", s.states())
	s.deploy("ubuntu-16.04", "h3")
	diff(t, map[string]string{lnk1: "conf/local", lnk3: "conf/ubuntu-16.04", lnk33: lnk3}, s.links())
	diff(t, "h1=local h3=ubuntu-16.04", s.states())
	if err := s.change(pxepilot.Clear, "", "h3"); err != nil {
		t.Fatal(err)
	}
	diff(t, map[string]string{lnk1: "conf/local"}, s.links())
}

func TestStates(t *testing.T) {
	conf := "/pxelinux.cfg/conf/"
	for _, tt := range []struct {
		name  string
		setup func(s *site)
		want  string // of h3
	}{
		{"canonical", func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+lnk3); s.symlink(lnk3, "pxelinux.cfg/"+lnk33) }, "a"},
		{"each by itself", func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+lnk3); s.symlink("conf/a", "pxelinux.cfg/"+lnk33) }, "a*"},
		{"absolute", func(s *site) {
			s.symlink(s.path+conf+"a", "pxelinux.cfg/"+lnk3)
			s.symlink(s.path+"/pxelinux.cfg/"+lnk3, "pxelinux.cfg/"+lnk33)
		}, "a*"},
		{"reversed", func(s *site) { s.symlink(lnk33, "pxelinux.cfg/"+lnk3); s.symlink("conf/a", "pxelinux.cfg/"+lnk33) }, "a*"},
		{"partial", func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+lnk3) }, "(partial)*"},
		{"mixed", func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+lnk3); s.symlink("conf/b", "pxelinux.cfg/"+lnk33) }, "(mixed)*"},
		{"dangling", func(s *site) { s.symlink("conf/x", "pxelinux.cfg/"+lnk3); s.symlink(lnk3, "pxelinux.cfg/"+lnk33) }, "(dangling)*"},
		{"further dangling", func(s *site) { s.symlink(lnk3, "pxelinux.cfg/"+lnk33) }, "(dangling)*"},
		{"circle", func(s *site) { s.symlink(lnk3, "pxelinux.cfg/"+lnk33); s.symlink(lnk33, "pxelinux.cfg/"+lnk3) }, "(dangling)*"},
		{"outside", func(s *site) { s.symlink("/etc/passwd", "pxelinux.cfg/"+lnk3); s.symlink(lnk3, "pxelinux.cfg/"+lnk33) }, "(foreign)*"},
		{"climbing out", func(s *site) { s.symlink("../../../../../../etc/passwd", "pxelinux.cfg/"+lnk3) }, "(foreign)*"},
		{"not a configuration", func(s *site) { s.write("pxelinux.cfg/default", ""); s.symlink("default", "pxelinux.cfg/"+lnk3) }, "(foreign)*"},
		{"a backup", func(s *site) { s.write("pxelinux.cfg/conf/a~", ""); s.symlink("conf/a~", "pxelinux.cfg/"+lnk3) }, "(foreign)*"},
		{"file", func(s *site) { s.write("pxelinux.cfg/"+lnk3, "mine") }, "(unmanaged)*"},
		{"directory", func(s *site) { s.write("pxelinux.cfg/"+lnk3+"/x", "mine") }, "(unmanaged)*"},
		{"entangled", func(s *site) {
			s.symlink("conf/a", "pxelinux.cfg/"+lnk1)
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
			s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
		}, "(entangled)*"},
		{"through a linked directory", func(s *site) {
			s.symlink("pxelinux.cfg/conf", "c")
			s.symlink("../c/a", "pxelinux.cfg/"+lnk3)
			s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
		}, "a*"},
		{"a configuration that is a link", func(s *site) {
			s.write("shared/a2", "x")
			s.symlink("../../shared/a2", "pxelinux.cfg/conf/a2")
			s.symlink("conf/a2", "pxelinux.cfg/"+lnk3)
			s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
		}, "a2"},
		{"past a configuration that is a link", func(s *site) {
			s.write("shared/a2", "x")
			s.symlink(s.path+"/shared/a2", "pxelinux.cfg/conf/a2")
			s.symlink("..//pxelinux.cfg/conf/a2", "pxelinux.cfg/"+lnk3)
			s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
		}, "a2*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
			tt.setup(s)
			if got := s.states(); !strings.HasSuffix(got, "h3="+tt.want) {
				t.Errorf("want h3=%s, got %s", tt.want, got)
			}
			before := fmt.Sprint(s.tree())
			err := s.change(pxepilot.Deploy, "b", "h3")
			if tt.name == "directory" {
				if err == nil || fmt.Sprint(s.tree()) != before {
					t.Fatalf("deploy over a directory: %v, tree %v", err, s.tree())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := s.states(); !strings.HasSuffix(got, "h3=b") {
				t.Errorf("after the deploy: %s", got)
			}
			links := s.links()
			diff(t, []string{"conf/b", lnk3}, []string{links[lnk3], links[lnk33]})
		})
	}
}
