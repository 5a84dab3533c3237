package tftproot

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// explained tells what hosts boot, a line for each search, and below it why.
func (s *site) explained(hosts ...string) []string {
	s.t.Helper()
	var list []*pxepilot.Host
	for _, h := range hosts {
		list = append(list, s.host(h))
	}
	all, err := s.Explain(context.Background(), s.inv, list)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	at := func(search pxepilot.Search, i int) string {
		if i < 0 {
			return "nothing"
		}
		return search.Asks[i].Path
	}
	for _, e := range all {
		for _, search := range e.Searches {
			line := fmt.Sprintf("%s %s: %s", e.Status.Host.Name, search.Bootloader, at(search, search.Wins))
			if e.AsDeployed() && (search.Unsure || len(search.Reasons) > 0) {
				s.t.Errorf("%s is not sure, and as deployed", line)
			}
			if search.InChroot != search.Wins {
				line += ", in a chroot " + at(search, search.InChroot)
			}
			if search.Configuration != "" {
				line += " (" + search.Configuration + ")"
			}
			lines = append(lines, line)
			for _, r := range search.Reasons {
				lines = append(lines, "reason: "+strings.ReplaceAll(r, s.path, "ROOT"))
			}
			for _, w := range search.Warnings {
				lines = append(lines, "warning: "+strings.ReplaceAll(w, s.path, "ROOT"))
			}
		}
	}
	return lines
}

const (
	inThatOrder = ` if the machine asks for its UUID in that byte order; remove it, for no deploy changes what it says`
	uuid1       = "11223344-5566-7788-99aa-bbccddeeff00"
	swapped1    = "44332211-6655-8877-99aa-bbccddeeff00"
	uuid2       = "00000000-0000-0000-0000-000000000002"
	inAChroot   = "a TFTP server that is locked into the root (tftpd-hpa --secure, Debian's default) gives "
)

var outside = regexp.MustCompile(`/tmp/pxe-pilot-\d+`)

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(s *site)
		want  []string
	}{
		{"as deployed", func(s *site) {}, []string{`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`}},
		{"nothing deployed", func(s *site) { s.clear("h1") }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: nothing is deployed to host "h1", so that pxelinux.cfg/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
		{"nothing at all", func(s *site) { s.clear("h1"); os.Remove(s.path + "/pxelinux.cfg/default") }, []string{
			`h1 pxelinux: nothing`,
			`reason: nothing is deployed to host "h1", so that pxelinux.cfg/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
		{"an IP address", func(s *site) { s.clear("h1"); s.symlink("conf/b", "pxelinux.cfg/0A63") }, []string{
			`h1 pxelinux: pxelinux.cfg/0A63 (b)`,
			`reason: nothing is deployed to host "h1", so that pxelinux.cfg/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
		{"a UUID", func(s *site) { s.symlink("conf/b", "pxelinux.cfg/"+swapped1) }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
			`reason: pxelinux.cfg/` + swapped1 + ` comes before the host's link pxelinux.cfg/` + lnk1 + inThatOrder,
		}},
		{"a UUID that agrees", func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+swapped1) }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
			`warning: pxelinux.cfg/` + swapped1 + ` would come first` + inThatOrder,
		}},
		{"a UUID in the other byte order", func(s *site) { s.write("pxelinux.cfg/"+uuid1, "x") }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
			`reason: pxelinux.cfg/` + uuid1 + ` comes before the host's link pxelinux.cfg/` + lnk1 + inThatOrder,
		}},
		{"a UUID in both byte orders", func(s *site) {
			s.symlink("conf/a", "pxelinux.cfg/"+swapped1)
			s.write("pxelinux.cfg/"+uuid1, "x")
		}, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
			`reason: pxelinux.cfg/` + swapped1 + `, or pxelinux.cfg/` + uuid1 + ` comes before the host's link pxelinux.cfg/` + lnk1 + inThatOrder,
		}},
		{"a UUID in both byte orders, and one file", func(s *site) {
			s.symlink("conf/a", "pxelinux.cfg/"+swapped1)
			s.symlink(swapped1, "pxelinux.cfg/"+uuid1)
		}, []string{
			`h1 pxelinux: pxelinux.cfg/` + swapped1 + ` (a)`,
			`warning: it gets "a" by pxelinux.cfg/` + swapped1 + ` and not by its own link, so that no deploy changes it; remove that`,
		}},
		{"a UUID that dangles", func(s *site) { s.symlink("nothing", "pxelinux.cfg/"+swapped1) }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
		}},
		{"somebody else's UUID", func(s *site) { s.write("pxelinux.cfg/"+uuid2, "x") }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
		}},
		{"a configuration that is gone", func(s *site) { os.Remove(s.path + "/pxelinux.cfg/conf/a") }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + ` leads to the configuration "a", which is not there any more; bring it back, or deploy another one`,
		}},
		{"a dangling link", func(s *site) { s.symlink("nowhere/a", "pxelinux.cfg/"+lnk1) }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + `: it leads to pxelinux.cfg/nowhere/a, which is not there; 'pxe-pilot config deploy NAME h1' mends it`,
		}},
		{"a circle", func(s *site) { s.symlink(lnk1, "pxelinux.cfg/"+lnk1) }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + `: it leads in a circle; 'pxe-pilot config deploy NAME h1' mends it`,
		}},
		{"an absolute link", func(s *site) { s.symlink(s.path+"/pxelinux.cfg/conf/a", "pxelinux.cfg/"+lnk1) }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + `, in a chroot pxelinux.cfg/default (a)`,
			`warning: ` + inAChroot + `pxelinux.cfg/default instead, for it does not find what pxelinux.cfg/` + lnk1 + ` leads to by an absolute path, or outside of the root; 'pxe-pilot host repair h1' makes it relative`,
		}},
		{"a link that leaves", func(s *site) {
			outside := openRoot(s.t.(*testing.T))
			writeFile(s.t, outside+"/x", "secret")
			s.symlink(outside+"/x", "pxelinux.cfg/"+lnk1)
		}, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + `, in a chroot pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + ` leads to OUTSIDE/x, which is not a configuration of bootloader pxelinux; 'pxe-pilot config deploy NAME h1' mends it`,
			`warning: the content of pxelinux.cfg/` + lnk1 + ` is not shown: it is outside of the TFTP root`,
			`warning: ` + inAChroot + `pxelinux.cfg/default instead, for it does not find what pxelinux.cfg/` + lnk1 + ` leads to by an absolute path, or outside of the root; 'pxe-pilot host repair h1' makes it relative`,
		}},
		{"a link for a chroot alone", func(s *site) { s.symlink("/pxelinux.cfg/conf/a", "pxelinux.cfg/"+lnk1) }, []string{
			`h1 pxelinux: pxelinux.cfg/default, in a chroot pxelinux.cfg/` + lnk1,
			`reason: pxelinux.cfg/` + lnk1 + `: it leads to "/pxelinux.cfg/conf/a", which only a TFTP server that is locked into the root finds; 'pxe-pilot config deploy NAME h1' mends it`,
			`warning: ` + inAChroot + `pxelinux.cfg/` + lnk1 + ` instead`,
		}},
		{"an absolute UUID", func(s *site) { s.symlink(s.path+"/pxelinux.cfg/conf/b", "pxelinux.cfg/"+swapped1) }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
			`reason: pxelinux.cfg/` + swapped1 + ` comes before the host's link pxelinux.cfg/` + lnk1 + inThatOrder,
		}},
		{"a mode", func(s *site) { os.Chmod(s.path+"/pxelinux.cfg/conf/a", 0o640) }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + `: pxelinux.cfg/conf/a has mode 0640, so that the user of a TFTP server cannot read it; 'chmod o+r' lets it`,
		}},
		{"a directory's mode", func(s *site) { os.Chmod(s.path+"/pxelinux.cfg/conf", 0o710) }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + `: pxelinux.cfg/conf has mode 0710, so that the user of a TFTP server cannot enter it; 'chmod o+x' lets it`,
		}},
		{"the root's mode", func(s *site) { os.Chmod(s.path, 0o700) }, []string{
			`h1 pxelinux: nothing`,
			`reason: pxelinux.cfg/` + lnk1 + `: ROOT has mode 0700, so that the user of a TFTP server cannot enter it; 'chmod o+x' lets it`,
		}},
		{"upper case", func(s *site) {
			s.inv = inventory(s.t, "h1 00:00:00:00:00:aa")
			s.symlink("conf/a", "pxelinux.cfg/01-00-00-00-00-00-AA")
		}, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/01-00-00-00-00-00-AA is in upper case, and no loader asks for it so; remove it and deploy again`,
		}},
		{"somebody else's file", func(s *site) { os.Remove(s.path + "/pxelinux.cfg/" + lnk1); s.write("pxelinux.cfg/"+lnk1, "x") }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1,
			`reason: pxelinux.cfg/` + lnk1 + ` is somebody else's file and not a link; 'pxe-pilot config deploy --force NAME h1' keeps it under another name and makes the link`,
		}},
		{"a directory", func(s *site) {
			os.Remove(s.path + "/pxelinux.cfg/" + lnk1)
			os.Mkdir(s.path+"/pxelinux.cfg/"+lnk1, 0o755)
		}, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + `: it is a directory; remove it and deploy again`,
		}},
		{"a FIFO", func(s *site) {
			os.Remove(s.path + "/pxelinux.cfg/" + lnk1)
			unix.Mkfifo(s.path+"/pxelinux.cfg/"+lnk1, 0o644)
		}, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk1 + `: it is a FIFO; remove it and deploy again`,
		}},
		{"no configuration", func(s *site) { s.symlink("default", "pxelinux.cfg/"+lnk1) }, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1,
			`reason: pxelinux.cfg/` + lnk1 + ` leads to pxelinux.cfg/default, which is not a configuration of bootloader pxelinux; 'pxe-pilot config deploy NAME h1' mends it`,
		}},
		{"empty", func(s *site) { s.write("pxelinux.cfg/conf/a", "") }, []string{
			`h1 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/conf/a is empty, which bootloader pxelinux takes for a file that is not there; write to it what the machine should do`,
		}},
		{"no directory of links", func(s *site) { os.RemoveAll(s.path); os.MkdirAll(s.path+"/pxelinux.cfg/conf", 0o755) }, []string{
			`h1 pxelinux: nothing`,
			`reason: nothing is deployed to host "h1", so that pxelinux.cfg/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{Path: openRoot(t)}, []string{"a", "b"}, "h1 uuid:"+uuid1+" ip:10.99.0.185 "+mac1, "h2 uuid:"+uuid2+" "+mac2)
			s.write("pxelinux.cfg/default", "x")
			s.deploy("a", "h1")
			tt.setup(s)
			before := s.tree()
			got := s.explained("h1")
			for i := range got {
				got[i] = outside.ReplaceAllString(got[i], "OUTSIDE")
			}
			diff(t, tt.want, got)
			diff(t, before, s.tree())
		})
	}
}

// TestExplainAsks: every step of a search, whatever wins.
func TestExplainAsks(t *testing.T) {
	outside := openRoot(t)
	s := newSite(t, Options{Path: openRoot(t)}, []string{"a"}, "h1 ip:10.99.0.185 "+mac1+" "+mac3)
	s.deploy("a", "h1")
	s.write("pxelinux.cfg/default", "x")
	s.symlink("nothing", "pxelinux.cfg/0A6300B9")
	s.symlink(outside+"/x", "pxelinux.cfg/0A6300B")
	writeFile(t, outside+"/x", "x")
	s.symlink("0A630", "pxelinux.cfg/0A630")
	s.write("pxelinux.cfg/0A63", "")
	s.write("pxelinux.cfg/0A6", "x")
	os.Chmod(s.path+"/pxelinux.cfg/0A6", 0o600)
	os.Mkdir(s.path+"/pxelinux.cfg/0A", 0o755)
	s.symlink("../closed/x", "pxelinux.cfg/0")
	s.write("closed/x", "x")
	os.Chmod(s.path+"/closed", 0o700)
	s.write("pxelinux.cfg/"+swapped1, "x")
	explained, err := s.Explain(context.Background(), s.inv, s.inv.Hosts())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range explained[0].Searches[1].Asks {
		name := strings.Join(a.Paths, " ")
		if a.Unknown {
			name += "?" + a.Pattern
		}
		line := fmt.Sprintf("%s: %s: %s", a.By, strings.ReplaceAll(name, "pxelinux.cfg/", ""), a.Found)
		for _, via := range a.Through {
			line += " -> " + strings.ReplaceAll(via, outside, "OUTSIDE")
		}
		if a.Configuration != "" {
			line += " (" + a.Configuration + ")"
		}
		if a.Note != "" {
			line += "; " + strings.ReplaceAll(a.Note, outside, "OUTSIDE")
		}
		got = append(got, line)
	}
	diff(t, []string{
		`uuid: ` + swapped1 + `?<UUID>: readable`,
		`mac: ` + lnk3 + `: readable -> pxelinux.cfg/` + lnk1 + ` -> pxelinux.cfg/conf/a (a)`,
		`ip: 0A6300B9: broken; it leads to pxelinux.cfg/nothing, which is not there`,
		`ip: 0A6300B: unchrooted -> OUTSIDE/x; a TFTP server that is locked into the root does not follow "OUTSIDE/x"`,
		`ip: 0A6300: absent`,
		`ip: 0A630: broken; it leads in a circle`,
		`ip: 0A63: empty; it is empty`,
		`ip: 0A6: unreadable; pxelinux.cfg/0A6 has mode 0600, so that the user of a TFTP server cannot read it`,
		`ip: 0A: not a file; it is a directory`,
		`ip: 0: unreadable; closed has mode 0700, so that the user of a TFTP server cannot enter it`,
		`default: default: readable`,
	}, got)
	if c := explained[0].Searches[1].Content; c != "LABEL pxelinux a\n" {
		t.Errorf("%q", c)
	}
}

// What is no text, or too much of it, or outside of the root, is not shown.
func TestExplainContent(t *testing.T) {
	outside := openRoot(t)
	writeFile(t, outside+"/x", "theirs")
	s := newSite(t, Options{Path: openRoot(t)}, []string{"a"}, "h1 ip:10.99.0.185 "+mac1)
	for _, tt := range []struct {
		name             string
		setup            func(link string)
		content, warning string
	}{
		{"text", func(link string) { s.write(link, "text") }, "text", ""},
		{"no text", func(link string) { s.write(link, "\xff\xfe") }, "", "the content of pxelinux.cfg/" + lnk1 + " is not shown: it is not UTF-8 text"},
		{"as much as there may be", func(link string) { s.write(link, strings.Repeat("x", MaxContent)) }, strings.Repeat("x", MaxContent), ""},
		{"too much", func(link string) { s.write(link, strings.Repeat("x", MaxContent+1)) }, "", "the content of pxelinux.cfg/" + lnk1 + " is not shown: it is larger than 1024 KiB"},
		{"outside", func(link string) { s.symlink(outside+"/x", link) }, "", "the content of pxelinux.cfg/" + lnk1 + " is not shown: it is outside of the TFTP root"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.setup("pxelinux.cfg/" + lnk1)
			explained, err := s.Explain(context.Background(), s.inv, s.inv.Hosts())
			if err != nil {
				t.Fatal(err)
			}
			search := explained[0].Searches[0]
			diff(t, []string{tt.content, tt.warning}, []string{search.Content, append(search.Warnings, "")[0]})
		})
	}
}
