package tftproot

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// findings tells what an audit finds, the root's path cut off.
func (s *site) findings() []string {
	var list []string
	for _, f := range s.Audit(s.inv) {
		kind := "warning"
		if f.Error {
			kind = "error"
		}
		list = append(list, fmt.Sprintf("%s: %s: %s", kind, strings.TrimPrefix(strings.TrimPrefix(f.Path, s.path), "/"), strings.ReplaceAll(f.Message, s.path, "ROOT")))
	}
	return list
}

// openRoot is a directory that everybody can enter, as a TFTP root should be.
func openRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pxe-pilot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAuditOfACleanRoot(t *testing.T) {
	for _, o := range []Options{{}, {Bootloaders: twoLoaders}} {
		o.Path = openRoot(t)
		o.Directory = o.Path + "/pxelinux.cfg/conf"
		s := newSite(t, o, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
		s.write("pxelinux.cfg/default", "")
		s.write("pxelinux.cfg/0A63", "")
		s.write("pxelinux.0", "")
		s.write("pxelinux.cfg/conf/.git/x", "")
		s.write("pxelinux.cfg/conf/a~", "")
		diff(t, []string(nil), s.findings())
		s.deploy("a", "h1", "h3")
		diff(t, []string(nil), s.findings())
	}
}

func TestAuditFinds(t *testing.T) {
	const chroot = "a TFTP server in a chroot (tftpd-hpa --secure, Debian's default)"
	for _, tt := range []struct {
		name  string
		setup func(s *site)
		want  []string
	}{
		{"nobody enters the root", func(s *site) { os.Chmod(s.path, 0o750) }, []string{
			`warning: : mode 0750: the user of a TFTP server cannot enter it; chmod o+x`,
		}},
		{"no directory of configurations", func(s *site) { os.RemoveAll(s.path + "/pxelinux.cfg/conf") }, []string{
			`error: pxelinux.cfg/conf: the configuration directory does not exist, so that no host's links were looked at; make it, or mount what it is on`,
		}},
		{"an empty directory in place of the root", func(s *site) { os.RemoveAll(s.path); os.Mkdir(s.path, 0o750) }, []string{
			`warning: : mode 0750: the user of a TFTP server cannot enter it; chmod o+x`,
			`error: pxelinux.cfg/conf: the configuration directory does not exist, so that no host's links were looked at; make it, or mount what it is on`,
		}},
		{"no directory of links", func(s *site) { os.RemoveAll(s.path); os.MkdirAll(s.path+"/pxelinux.cfg/conf", 0o755) }, nil},
		{"no root", func(s *site) { os.RemoveAll(s.path) }, []string{
			`error: : no such file or directory`,
		}},
		{"modes", func(s *site) {
			os.Chmod(s.path+"/pxelinux.cfg", 0o700)
			os.Chmod(s.path+"/pxelinux.cfg/conf", 0o710)
			os.Chmod(s.path+"/pxelinux.cfg/conf/a", 0o640)
		}, []string{
			`warning: pxelinux.cfg: mode 0700: the user of a TFTP server cannot enter it; chmod o+x`,
			`warning: pxelinux.cfg/conf: mode 0710: the user of a TFTP server cannot enter it; chmod o+x`,
			`warning: pxelinux.cfg/conf/a: mode 0640: the user of a TFTP server cannot read it; chmod o+r`,
		}},
		{"modes on a configuration's way", func(s *site) {
			s.write("closed/deep/x", "x")
			s.symlink("deep/x", "closed/x")
			s.symlink("../../closed/x", "pxelinux.cfg/conf/far")
			s.symlink("../../closed/deep/x", "pxelinux.cfg/conf/farther")
			os.Chmod(s.path+"/closed", 0o700)
			os.Chmod(s.path+"/closed/deep", 0o750)
		}, []string{
			`warning: closed: mode 0700: the user of a TFTP server cannot enter it; chmod o+x`,
			`warning: closed/deep: mode 0750: the user of a TFTP server cannot enter it; chmod o+x`,
		}},
		{"entries that are no configurations", func(s *site) {
			os.Mkdir(s.path+"/pxelinux.cfg/conf/directory", 0o755)
			unix.Mkfifo(s.path+"/pxelinux.cfg/conf/fifo", 0o644)
			s.write("pxelinux.cfg/conf/two\nlines", "")
		}, []string{
			`warning: pxelinux.cfg/conf/directory: a directory is no configuration of bootloader pxelinux`,
			`warning: pxelinux.cfg/conf/fifo: neither a file nor a link: no configuration`,
			`warning: pxelinux.cfg/conf: the name "two\nlines" contains a control character; it is no configuration`,
		}},
		{"configurations that are links", func(s *site) {
			s.symlink("a", "pxelinux.cfg/conf/fine")
			s.symlink("missing", "pxelinux.cfg/conf/dangling")
			s.symlink("/etc/passwd", "pxelinux.cfg/conf/leaving")
			s.symlink(s.path+"/pxelinux.cfg/conf/a", "pxelinux.cfg/conf/whole")
		}, []string{
			`error: pxelinux.cfg/conf/dangling: the link leads to nothing ("missing"): machines get the loader's default`,
			`error: pxelinux.cfg/conf/leaving: the link leaves the TFTP root ("/etc/passwd"); a TFTP server in a chroot finds nothing there`,
			`warning: pxelinux.cfg/conf/whole: the link is absolute ("ROOT/pxelinux.cfg/conf/a"); ` + chroot + ` finds nothing there`,
		}},
		{"a link that dangles", func(s *site) { s.symlink("conf/x", "pxelinux.cfg/"+lnk1) }, []string{
			`error: pxelinux.cfg/` + lnk1 + `: the link leads to nothing ("conf/x"): machines get the loader's default`,
		}},
		{"a link that leaves", func(s *site) { s.symlink("../../../../../../../etc/passwd", "pxelinux.cfg/"+lnk1) }, []string{
			`error: pxelinux.cfg/` + lnk1 + `: host "h1": the link leads to what is not a configuration of bootloader pxelinux ("../../../../../../../etc/passwd")`,
			`error: pxelinux.cfg/` + lnk1 + `: the link leaves the TFTP root ("../../../../../../../etc/passwd"); a TFTP server in a chroot finds nothing there`,
		}},
		{"a link that is absolute", func(s *site) { s.symlink(s.path+"/pxelinux.cfg/conf/a", "pxelinux.cfg/"+lnk1) }, []string{
			`warning: pxelinux.cfg/` + lnk1 + `: the link is absolute ("ROOT/pxelinux.cfg/conf/a"); ` + chroot + ` finds nothing there`,
			`warning: : host "h1": its links are not in the shape that switches as a whole; 'pxe-pilot host repair' mends that`,
		}},
		{"a link to no configuration", func(s *site) {
			s.write("pxelinux.cfg/default", "")
			s.symlink("default", "pxelinux.cfg/"+lnk1)
		}, []string{
			`error: pxelinux.cfg/` + lnk1 + `: host "h1": the link leads to what is not a configuration of bootloader pxelinux ("default")`,
		}},
		{"a file in place of a link", func(s *site) {
			os.Remove(s.path + "/pxelinux.cfg/" + lnk1)
			s.write("pxelinux.cfg/"+lnk1, "")
		}, []string{
			`error: pxelinux.cfg/` + lnk1 + `: host "h1": not a link but somebody else's file, which is not touched`,
		}},
		{"a directory in place of a link", func(s *site) {
			os.Remove(s.path + "/pxelinux.cfg/" + lnk1)
			os.Mkdir(s.path+"/pxelinux.cfg/"+lnk1, 0o755)
		}, []string{
			`error: pxelinux.cfg/` + lnk1 + `: host "h1": not a link but a directory, which is not touched`,
		}},
		{"entangled", func(s *site) { s.symlink(lnk1, "pxelinux.cfg/"+lnk3) }, []string{
			`error: pxelinux.cfg/` + lnk3 + `: host "h3": the link leads through another host's (pxelinux.cfg/` + lnk1 + `), and so would be switched with it; 'pxe-pilot host repair' or a deploy detaches it`,
			`error: pxelinux.cfg/` + lnk33 + `: host "h3": the link leads through another host's (pxelinux.cfg/` + lnk3 + `, pxelinux.cfg/` + lnk1 + `), and so would be switched with it; 'pxe-pilot host repair' or a deploy detaches it`,
		}},
		{"mixed", func(s *site) { s.symlink("conf/b", "pxelinux.cfg/"+lnk33) }, []string{
			`error: : host "h3": its links lead to different configurations; deploy the one that is meant`,
		}},
		{"partial", func(s *site) { os.Remove(s.path + "/pxelinux.cfg/" + lnk33) }, []string{
			`error: : host "h3": some of its links are missing; 'pxe-pilot host repair' or a deploy makes them`,
		}},
		{"out of shape", func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+lnk33) }, []string{
			`warning: : host "h3": its links are not in the shape that switches as a whole; 'pxe-pilot host repair' mends that`,
		}},
		{"strangers", func(s *site) {
			s.symlink("conf/a", "pxelinux.cfg/01-00-00-00-00-00-99")
			s.symlink("conf/x", "pxelinux.cfg/01-00-00-00-00-00-98")
			s.symlink("nowhere", "pxelinux.cfg/mine")
			s.symlink("conf/a", "pxelinux.cfg/01-00-00-00-00-AA-AA")
		}, []string{
			`warning: pxelinux.cfg/01-00-00-00-00-00-98: it belongs to no host of the configuration file, and is left alone`,
			`error: pxelinux.cfg/01-00-00-00-00-00-98: the link leads to nothing ("conf/x"): machines get the loader's default`,
			`warning: pxelinux.cfg/01-00-00-00-00-00-99: it belongs to no host of the configuration file, and is left alone`,
			`warning: pxelinux.cfg/01-00-00-00-00-AA-AA: the name is in upper case, and no loader asks for it so; it belongs to no host`,
			`error: pxelinux.cfg/mine: the link leads to nothing ("nowhere"): machines get the loader's default`,
		}},
		{"upper case", func(s *site) {
			s.inv = inventory(t, "h1 "+mac1, "h3 "+mac3+" "+mac33, "h5 00:00:00:00:aa:aa")
			s.symlink("conf/a", "pxelinux.cfg/01-00-00-00-00-AA-AA")
		}, []string{
			`error: pxelinux.cfg/01-00-00-00-00-AA-AA: the name is in upper case, and no loader asks for it so`,
		}},
		{"what a crash left", func(s *site) {
			s.write(planName, "")
			s.symlink("conf/a", "pxelinux.cfg/.pxe-pilot.0a1b2c3d."+lnk1)
		}, []string{
			`warning: .pxe-pilot.plan: a change was cut off; the server resolves it when it starts, and before the next change`,
			`warning: pxelinux.cfg/.pxe-pilot.0a1b2c3d.` + lnk1 + `: a temporary link that a crash left; the server removes it when it starts`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{Path: openRoot(t)}, []string{"a", "b"}, "h1 "+mac1, "h3 "+mac3+" "+mac33)
			s.deploy("a", "h1", "h3")
			tt.setup(s)
			var before map[string]string
			if tt.name != "no root" {
				before = s.tree()
			}
			diff(t, tt.want, s.findings())
			if before != nil {
				diff(t, before, s.tree())
			}
		})
	}
}

// TestAuditOfDirectoriesInBetween: those that nothing is in, on the ways to those
// that matter, inside the root and out.
func TestAuditOfDirectoriesInBetween(t *testing.T) {
	dir := openRoot(t)
	s := newSite(t, Options{Path: dir + "/root", Directory: dir + "/etc/pxe/conf", Absolute: true, Bootloaders: []pxepilot.Bootloader{
		{Name: "grub"}, {Name: "rpi", Kind: pxepilot.Directory, Links: []string{"boards/{serial}"}},
	}}, []string{"a"}, "h1 serial:s1 "+mac1)
	s.write("hidden/boards2/x", "")
	s.symlink("../boards2", "hidden/way/boards")
	s.symlink("hidden/way/boards", "boards")
	s.deploy("a", "h1")
	for _, d := range []string{"root/boot", "root/hidden/way", "root/hidden/boards2", "etc", "etc/pxe/conf/rpi/a"} {
		if err := os.Chmod(dir+"/"+d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, f := range s.Audit(s.inv) {
		if strings.Contains(f.Message, "cannot enter") {
			got = append(got, strings.TrimPrefix(f.Path, dir+"/"))
		}
	}
	diff(t, []string{"etc", "root/boot", "root/hidden/way", "root/hidden/boards2", "etc/pxe/conf/rpi/a"}, got)
}

// TestAuditOfConfigurationsBesideTheLinks tells everything once.
func TestAuditOfConfigurationsBesideTheLinks(t *testing.T) {
	dir := openRoot(t)
	s := newSite(t, Options{Path: dir, Directory: dir + "/pxelinux.cfg"}, []string{"a"}, "h1 "+mac1)
	s.symlink("nothing", "pxelinux.cfg/dangling")
	s.symlink("/etc/passwd", "pxelinux.cfg/leaving")
	s.symlink(dir+"/pxelinux.cfg/a", "pxelinux.cfg/whole")
	s.symlink("nothing", "pxelinux.cfg/default")
	s.symlink("nothing", "pxelinux.cfg/"+lnk1)
	diff(t, []string{
		`error: pxelinux.cfg/dangling: the link leads to nothing ("nothing"): machines get the loader's default`,
		`error: pxelinux.cfg/leaving: the link leaves the TFTP root ("/etc/passwd"); a TFTP server in a chroot finds nothing there`,
		`warning: pxelinux.cfg/whole: the link is absolute ("ROOT/pxelinux.cfg/a"); a TFTP server in a chroot (tftpd-hpa --secure, Debian's default) finds nothing there`,
		`error: pxelinux.cfg/` + lnk1 + `: the link leads to nothing ("nothing"): machines get the loader's default`,
		`error: pxelinux.cfg/default: the link leads to nothing ("nothing"): machines get the loader's default`,
	}, s.findings())
}

// TestAuditAsSomebodyElse, who may not go everywhere.
func TestAuditAsSomebodyElse(t *testing.T) {
	testenv.NeedRoot(t)
	s := newSite(t, Options{Path: openRoot(t)}, []string{"a"}, "h1 "+mac1)
	s.write("closed/x", "")
	s.symlink("../../closed/x", "pxelinux.cfg/conf/far")
	if err := os.Chmod(s.path+"/closed", 0o700); err != nil {
		t.Fatal(err)
	}
	// Of this thread alone; it takes the privileges over files as well.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	got := s.findings()
	if err := unix.Setfsuid(0); err != nil {
		t.Fatal(err)
	}
	diff(t, []string{
		`warning: closed: mode 0700: the user of a TFTP server cannot enter it; chmod o+x`,
		`error: pxelinux.cfg/conf/far: the link cannot be followed ("../../closed/x"): permission denied`,
	}, got)
}

func TestAuditOfSeveralLoaders(t *testing.T) {
	dir := openRoot(t)
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Absolute: true, Bootloaders: []pxepilot.Bootloader{
		{Name: "pxelinux"}, {Name: "grub"}, {Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}, {Name: "ipxe"},
	}}, []string{"a"}, "h1 serial:s1 "+mac1)
	if err := os.RemoveAll(filepath.Join(dir, "conf/ipxe")); err != nil {
		t.Fatal(err)
	}
	s.write("conf/rpi/file", "")
	s.deploy("a", "h1")
	diff(t, []string{
		`warning: : links are absolute by the configuration file: a TFTP server in a chroot (tftpd-hpa --secure, Debian's default) does not find what they lead to`,
		`warning: conf/rpi/file: a file is no configuration of bootloader rpi, whose configurations are directories`,
		`warning: conf/ipxe: the directory does not exist, so that bootloader ipxe has no configurations`,
		`warning: : host "h1": its configuration has no variant for some of its loaders, which get their default`,
	}, s.findings())
}
