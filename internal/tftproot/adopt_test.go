package tftproot

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// TestTheOriginalProgramsRoot: the program that this one follows made absolute
// links: the first MAC address's to the configuration, the others' to the first
// one's. Such a root is read, brought into shape without a change of what boots,
// and switched.
func TestTheOriginalProgramsRoot(t *testing.T) {
	s := newSite(t, Options{}, []string{"local", "ubuntu-14.04", "ubuntu-16.04"}, "h1 "+mac1, "h2 "+mac2, "h3 "+mac3+" "+mac33)
	const cfg = "pxelinux.cfg/"
	absolute := s.path + "/" + cfg
	s.write(cfg+"default", "DEFAULT menu\n")
	s.symlink(absolute+"conf/local", cfg+lnk1)
	s.symlink(absolute+"conf/local", cfg+lnk3)
	s.symlink(absolute+lnk3, cfg+lnk33)

	diff(t, "h1=local* h2=(none) h3=local*", s.states())
	before := s.fetchAll()
	steps := func(want pxepilot.Want, configuration string, hosts ...string) []string {
		t.Helper()
		steps, err := s.Change(context.Background(), s.inv, false, func(*pxepilot.View) ([]pxepilot.Move, error) {
			return s.moves(want, configuration, hosts...), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, st := range steps {
			list = append(list, st.Host+" "+strings.TrimPrefix(st.Path, cfg)+": "+strings.TrimPrefix(st.Was, s.path)+" > "+st.Becomes)
		}
		return list
	}
	diff(t, []string{
		"h1 " + lnk1 + ": /pxelinux.cfg/conf/local > conf/local",
		"h3 " + lnk33 + ": /pxelinux.cfg/" + lnk3 + " > " + lnk3,
		"h3 " + lnk3 + ": /pxelinux.cfg/conf/local > conf/local",
	}, steps(pxepilot.Repair, "", "h1", "h2", "h3"))
	diff(t, before, s.fetchAll())
	diff(t, "h1=local h2=(none) h3=local", s.states())
	diff(t, map[string]string{lnk1: "conf/local", lnk3: "conf/local", lnk33: lnk3}, s.links())
	diff(t, []string(nil), steps(pxepilot.Repair, "", "h1", "h2", "h3"))

	diff(t, []string{
		"h2 " + lnk2 + ":  > conf/ubuntu-16.04",
		"h3 " + lnk3 + ": conf/local > conf/ubuntu-16.04",
	}, steps(pxepilot.Deploy, "ubuntu-16.04", "h2", "h3"))
	diff(t, "h1=local h2=ubuntu-16.04 h3=ubuntu-16.04", s.states())
	diff(t, "DEFAULT menu\n", s.fetch(cfg+"default"))
}

// TestTheOriginalProgramsRootIsSwitchedAtOnce: without a repair, too, and then
// further MAC addresses follow before the first one is switched.
func TestTheOriginalProgramsRootIsSwitchedAtOnce(t *testing.T) {
	s := newSite(t, Options{}, []string{"a", "b"}, "h3 "+mac3+" "+mac33)
	s.symlink(s.path+"/pxelinux.cfg/conf/a", "pxelinux.cfg/"+lnk3)
	s.symlink(s.path+"/pxelinux.cfg/"+lnk3, "pxelinux.cfg/"+lnk33)
	rec := record(s.Root)
	s.deploy("b", "h3")
	var switched []string
	for _, o := range rec.ops {
		if o.call == "rename" {
			switched = append(switched, o.to)
		}
	}
	diff(t, []string{lnk33, lnk3}, switched)
	diff(t, map[string]string{lnk3: "conf/b", lnk33: lnk3}, s.links())
}

// TestAbsoluteOnDemand: the same root stays as it is where the file says so.
func TestAbsoluteOnDemand(t *testing.T) {
	s := newSite(t, Options{Absolute: true}, []string{"a", "b"}, "h3 "+mac3+" "+mac33)
	s.deploy("a", "h3")
	absolute := s.path + "/pxelinux.cfg/"
	diff(t, map[string]string{lnk3: absolute + "conf/a", lnk33: absolute + lnk3}, s.links())
	diff(t, "h3=a", s.states())
	s.deploy("b", "h3")
	diff(t, map[string]string{lnk3: absolute + "conf/b", lnk33: absolute + lnk3}, s.links())
}

// TestDetaching: what is reached through a link that a deploy changes stays what
// it is, whatever it is.
func TestDetaching(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(s *site)
		want  string // the text of h3's first link, then
	}{
		{"a configuration", func(s *site) { s.symlink(lnk1, "pxelinux.cfg/"+lnk3) }, "conf/a"},
		{"through one more", func(s *site) {
			s.symlink("../x", "pxelinux.cfg/"+lnk3)
			s.symlink("pxelinux.cfg/"+lnk1, "x")
		}, "conf/a"},
		{"nothing", func(s *site) {
			s.symlink("nowhere", "pxelinux.cfg/"+lnk1)
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		}, ""},
		{"nothing yet", func(s *site) {
			s.clear("h1")
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		}, ""},
		{"a circle", func(s *site) {
			s.symlink(lnk3, "pxelinux.cfg/"+lnk1)
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		}, ""},
		{"no configuration", func(s *site) {
			s.write("pxelinux.cfg/default", "")
			s.symlink("default", "pxelinux.cfg/"+lnk1)
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		}, "default"},
		{"outside", func(s *site) {
			s.symlink("/etc/passwd", "pxelinux.cfg/"+lnk1)
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		}, "/etc/passwd"},
		{"a file that is put aside", func(s *site) {
			s.clear("h1")
			s.write("pxelinux.cfg/"+lnk1, "theirs")
			s.symlink(lnk1, "pxelinux.cfg/"+lnk3)
		}, lnk1 + ".orig-" + "1700000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
			s.now = func() time.Time { return time.Unix(1700000000, 0) }
			s.deploy("a", "h1")
			tt.setup(s)
			s.symlink(lnk3, "pxelinux.cfg/"+lnk33)
			before := s.fetchAll()
			if got := s.states(); !strings.HasSuffix(got, "h3=(entangled)*") {
				t.Errorf("%s", got)
			}
			s.deploy("b", "h1")
			diff(t, tt.want, s.links()[lnk3])
			after := s.fetchAll()
			diff(t, before["pxelinux.cfg/"+lnk3], after["pxelinux.cfg/"+lnk3])
			diff(t, before["pxelinux.cfg/"+lnk33], after["pxelinux.cfg/"+lnk33])
			diff(t, "LABEL pxelinux b\n", after["pxelinux.cfg/"+lnk1])
		})
	}
}
