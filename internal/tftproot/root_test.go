package tftproot

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
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

// TestObstacles: what is in the way and no regular file, which could be kept.
func TestObstacles(t *testing.T) {
	for _, tt := range []struct {
		want string
		make func(p string) error
	}{
		{"", func(p string) error { return os.WriteFile(p, nil, 0o644) }},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o755) }},
		{"a FIFO", func(p string) error { return unix.Mkfifo(p, 0o644) }},
		{"a socket", func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o644, 0) }},
	} {
		s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
		if err := tt.make(s.path + "/pxelinux.cfg/" + lnk1); err != nil {
			t.Fatal(err)
		}
		l := s.view().Hosts[0].Links[0]
		diff(t, []string{string(pxepilot.Unmanaged), tt.want}, []string{string(l.State), l.Obstacle})
		// Whoever decides refuses it; a change all the same comes to the same.
		if err := s.change(pxepilot.Deploy, "a", "h1"); (err == nil) != (tt.want == "") || err != nil && pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
}

// TestTwoFilesInOneSecond are both kept.
func TestTwoFilesInOneSecond(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	s.now = func() time.Time { return time.Unix(1700000000, 0) }
	for _, want := range []pxepilot.Want{pxepilot.Deploy, pxepilot.Clear, pxepilot.Deploy} {
		_ = os.Remove(s.path + "/pxelinux.cfg/" + lnk1)
		s.write("pxelinux.cfg/"+lnk1, "mine")
		if err := s.change(want, "a", "h1"); err != nil {
			t.Fatal(err)
		}
	}
	kept := "pxelinux.cfg/" + lnk1 + ".orig-1700000000"
	diff(t, map[string]string{"pxelinux.cfg/conf/a": "-", "pxelinux.cfg/" + lnk1: "conf/a", kept: "-", kept + "-2": "-", kept + "-3": "-"}, s.tree())
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
