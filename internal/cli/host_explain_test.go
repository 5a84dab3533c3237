package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// An explanation as a person reads it, case by case, as testdata/explain.txt shows.
func TestExplanations(t *testing.T) {
	golden, err := os.ReadFile("testdata/explain.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, tt := range explanations {
		got.WriteString("==> " + tt.name + " <==\n")
		explained(&tt.e, tt.whole).text(&got)
		got.WriteString("\n")
	}
	if diff := cmp.Diff(string(golden), got.String()); diff != "" {
		t.Errorf("testdata/explain.txt (-) and what is said (+) differ:\n%s\n%s", diff, got.String())
	}
}

const content = "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"

// configured is an explanation of a host whose links all lead to "local".
func configured(name string, asDeployed bool, searches ...apiv1.Search) apiv1.Explanation {
	return apiv1.Explanation{Name: name, Configuration: &apiv1.ConfigurationRef{Name: "local"}, State: "configured", AsDeployed: asDeployed, Searches: searches}
}

// pxelinux is the search of PXELINUX for a host of which the IP address is known,
// which ends at the first ask that is readable.
func pxelinux(mac string, asks ...apiv1.Ask) apiv1.Search {
	s := apiv1.Search{Bootloader: "pxelinux", MACAddress: mac, Source: "its manual", Asks: asks}
	for n := 8; n > 0; n-- {
		s.Asks = append(s.Asks, absent("ip", "pxelinux.cfg/"+"0A6300B9"[:n]))
	}
	s.Asks = append(s.Asks, there("default", "pxelinux.cfg/default", ""))
	for i := range s.Asks {
		a := &s.Asks[i]
		a.Asked = s.Wins == ""
		if a.Found == "readable" && !a.Unknown && s.Wins == "" {
			s.Wins, s.Configuration = a.Path, a.Configuration
		}
	}
	return s
}

func absent(by string, paths ...string) apiv1.Ask {
	return apiv1.Ask{By: by, Paths: paths, Found: "absent"}
}

func there(by, path, configuration string) apiv1.Ask {
	return apiv1.Ask{By: by, Paths: []string{path}, Found: "readable", Path: path, Configuration: configuration}
}

func broken(by, path, found string) apiv1.Ask {
	return apiv1.Ask{By: by, Paths: []string{path}, Found: found, Path: path}
}

// with changes a search.
func with(s apiv1.Search, change func(*apiv1.Search)) apiv1.Search {
	change(&s)
	return s
}

const (
	link1, link3, link33 = "pxelinux.cfg/01-00-00-00-00-00-01", "pxelinux.cfg/01-00-00-00-00-00-03", "pxelinux.cfg/01-00-00-00-00-00-33"
	uuid, swapped        = "pxelinux.cfg/11223344-5566-7788-99aa-bbccddeeff00", "pxelinux.cfg/44332211-6655-8877-99aa-bbccddeeff00"
	nobodys              = "pxelinux.cfg/deadbeef-5566-7788-99aa-bbccddeeff00"
)

var noUUID = apiv1.Ask{By: "uuid", Paths: []string{}, Unknown: true, Pattern: "pxelinux.cfg/<UUID>", Found: "absent"}

var explanations = []struct {
	name  string
	e     apiv1.Explanation
	whole bool
}{
	{"as deployed, by two network cards", configured("h3", true,
		with(pxelinux("00:00:00:00:00:03", noUUID, there("mac", link3, "local")), func(s *apiv1.Search) { s.Content = content }),
		with(pxelinux("00:00:00:00:00:33", noUUID, there("mac", link33, "local")), func(s *apiv1.Search) { s.Content = content })), false},
	{"served by all", configured("h1", true,
		with(pxelinux("00:00:00:00:00:01", absent("uuid", swapped, uuid), there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Servers = []apiv1.Verification{{Server: "10.0.0.1:69", Served: true}, {Server: "[fd99::1]:69", Served: true}}
		})), false},
	{"a UUID file in front", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", apiv1.Ask{By: "uuid", Paths: []string{swapped, uuid}, Found: "readable", Path: uuid, Configuration: "memtest"}, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Reasons = []string{uuid + " comes first, for that is the machine's UUID; remove it, or what wants it there, and the host boots \"local\""}
			s.Content = "DEFAULT memtest\n" + strings.Repeat("\n", 12) + "# end"
		})), false},
	{"something else, by the disk and by the server", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", absent("mac", link1)), func(s *apiv1.Search) {
			s.Servers = []apiv1.Verification{{Server: "10.0.0.1:69", Served: true}}
		})), false},
	{"a root that is closed", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", broken("mac", link1, "unreadable")), func(s *apiv1.Search) {
			for i := range s.Asks {
				a := &s.Asks[i]
				a.Asked, a.Found, a.Path, a.Note = true, "unreadable", a.Paths[0], "/srv has mode 0700, so that the user of a TFTP server cannot enter it"
			}
			s.Wins, s.Configuration, s.Reasons = "", "", []string{link1 + ": /srv has mode 0700"}
		})), false},
	{"a UUID file in front, in one of its byte orders", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", apiv1.Ask{By: "uuid", Paths: []string{uuid}, Unknown: true, Pattern: "pxelinux.cfg/<UUID>", Found: "readable", Path: uuid}, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Unsure, s.Reasons = true, []string{uuid + " comes before the host's link " + link1 + " if the machine asks for its UUID in that byte order; remove it"}
		})), false},
	{"all of the content", configured("h1", true,
		with(pxelinux("00:00:00:00:00:01", there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Content = strings.Repeat("\tKERNEL vmlinuz\r\n", 11) + "APPEND " + strings.Repeat("x", 120)
		})), true},
	{"some of the content", configured("h1", true,
		with(pxelinux("00:00:00:00:00:01", there("mac", link1, "local")), func(s *apiv1.Search) { s.Content = "APPEND " + strings.Repeat("x", 120) })), false},
	{"a link that is broken", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", noUUID, broken("mac", link1, "broken")), func(s *apiv1.Search) {
			s.Asks[1].Note, s.Asks[10].Note = "it leads to pxelinux.cfg/conf/local, which is not there", "of note"
			s.Reasons = []string{link1 + " leads to pxelinux.cfg/conf/local, which is not there"}
		})), false},
	{"files that may be its own", configured("h1", true,
		with(pxelinux("00:00:00:00:00:01", apiv1.Ask{By: "uuid", Paths: []string{uuid, nobodys}, Unknown: true, Pattern: "pxelinux.cfg/<UUID>", Found: "readable", Path: uuid}, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Warnings = []string{uuid + " would come first if that is the machine's UUID; give the host its uuid in the configuration file"}
		})), false},
	{"not in a chroot", configured("h1", true,
		with(pxelinux("00:00:00:00:00:01", noUUID, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Asks[1].Found = "unchrooted"
			s.Asks[1].Note = "a TFTP server that is locked into the root does not follow \"/srv/tftp/pxelinux.cfg/conf/local\""
			s.Warnings = []string{"a TFTP server that is locked into the root (tftpd-hpa --secure, Debian's default) gives pxelinux.cfg/default instead"}
			s.InChroot = new("pxelinux.cfg/default")
		})), false},
	{"nothing at all in a chroot", configured("h1", true, apiv1.Search{
		Bootloader: "ipxe", MACAddress: "00:00:00:00:00:01", Wins: "ipxe/01-00-00-00-00-00-01.ipxe", Configuration: "local", InChroot: new(string),
		Asks: []apiv1.Ask{{By: "mac", Paths: []string{"ipxe/01-00-00-00-00-00-01.ipxe"}, Asked: true, Found: "unchrooted", Path: "ipxe/01-00-00-00-00-00-01.ipxe", Configuration: "local"},
			absent("default", "ipxe/default.ipxe")}}), false},
	{"not in a chroot, but no server is in one", configured("h1", true,
		with(pxelinux("00:00:00:00:00:01", noUUID, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.InChroot = new("pxelinux.cfg/default")
			s.Servers = []apiv1.Verification{{Server: "10.0.0.1:69", Served: true}}
		})), false},
	{"one replica is behind, one is dead", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", noUUID, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Servers = []apiv1.Verification{{Server: "10.0.0.1:69", Served: true},
				{Server: "10.0.0.2:69", Got: "pxelinux.cfg/default, 120 bytes, in place of " + link1 + ": " + link1 + " is not found there; look at the directory that the server serves"},
				{Server: "10.0.0.3:69", Problem: "TFTP server 10.0.0.3:69 does not answer; is it running?"},
				{Server: "10.0.0.4:69", Problem: "the time for it was over"}}
		})), false},
	{"one replica is dead, the other one serves", configured("h1", false,
		with(pxelinux("00:00:00:00:00:01", noUUID, there("mac", link1, "local")), func(s *apiv1.Search) {
			s.Servers = []apiv1.Verification{{Server: "10.0.0.1:69", Served: true},
				{Server: "10.0.0.3:69", Problem: "TFTP server 10.0.0.3:69 does not answer; is it running?"}}
		})), false},
	{"from one card only", apiv1.Explanation{Name: "h3", State: "partial", Searches: []apiv1.Search{
		pxelinux("00:00:00:00:00:03", noUUID, there("mac", link3, "local")),
		pxelinux("00:00:00:00:00:33", noUUID, absent("mac", link33))}}, false},
	{"by one loader only, with what it needs", configured("h1", false,
		pxelinux("00:00:00:00:00:01", there("mac", link1, "local")),
		apiv1.Search{Bootloader: "grub-signed", MACAddress: "00:00:00:00:00:01",
			Asks:    []apiv1.Ask{{By: "default", Paths: []string{"grub/grub.cfg"}, Asked: true, Found: "absent"}},
			Setup:   &apiv1.Setup{Path: "grub/grub.cfg", Text: "configfile $prefix/host/01-$a\n"},
			Reasons: []string{"grub/grub.cfg, which GRUB asks for in place of the host's link, is not there"}}), false},
	{"by a script", configured("h1", true, apiv1.Search{
		Bootloader: "grub-signed", MACAddress: "00:00:00:00:00:01", Wins: "grub/host/01-00-00-00-00-00-01", Configuration: "local",
		Setup: &apiv1.Setup{Path: "grub/grub.cfg", Text: "configfile $prefix/host/01-$a\n", Done: true},
		Asks: []apiv1.Ask{
			{By: "script", Paths: []string{"grub/grub.cfg"}, Asked: true, Found: "readable", Path: "grub/grub.cfg"},
			{By: "mac", Paths: []string{"grub/host/01-00-00-00-00-00-01"}, Asked: true, Found: "readable", Path: "grub/host/01-00-00-00-00-00-01", Configuration: "local"}}},
		apiv1.Search{Bootloader: "ipxe", MACAddress: "00:00:00:00:00:01", Wins: "ipxe/01-00-00-00-00-00-01.ipxe", Configuration: "local",
			Setup: &apiv1.Setup{Text: "#!ipxe\nchain ipxe/01-${netX/mac:hexhyp}.ipxe || exit\n"},
			Asks:  []apiv1.Ask{{By: "mac", Paths: []string{"ipxe/01-00-00-00-00-00-01.ipxe"}, Asked: true, Found: "readable", Path: "ipxe/01-00-00-00-00-00-01.ipxe", Configuration: "local"}}}), false},
	{"links of which nothing is known", apiv1.Explanation{Name: "h1", State: "torn", Searches: []apiv1.Search{pxelinux("00:00:00:00:00:01", absent("mac", link1))}}, false},
	{"nothing deployed", apiv1.Explanation{Name: "h2", State: "none", Searches: []apiv1.Search{pxelinux("00:00:00:00:00:02", noUUID, absent("mac", "pxelinux.cfg/01-00-00-00-00-00-02"))}}, false},
	{"nothing deployed, nothing known, nothing there", apiv1.Explanation{Name: "h2", State: "none", Searches: []apiv1.Search{{
		Bootloader: "pxelinux", MACAddress: "00:00:00:00:00:02", Asks: []apiv1.Ask{
			{By: "ip", Paths: []string{}, Unknown: true, Pattern: "pxelinux.cfg/<IP address, 8 hex digits>", Found: "absent", Asked: true},
			{By: "ip", Paths: []string{}, Unknown: true, Pattern: "pxelinux.cfg/<IP address, 7 hex digits>", Found: "absent", Asked: true},
			{By: "default", Paths: []string{"pxelinux.cfg/default"}, Asked: true, Found: "unreadable", Path: "pxelinux.cfg/default"}}}}}, false},
	{"no loader", apiv1.Explanation{Name: "h9", State: "none", Searches: []apiv1.Search{}}, false},
	{"hostile", apiv1.Explanation{Name: "\x1b]0;h\a", State: "odd\n", Configuration: &apiv1.ConfigurationRef{Name: "\u202ec"}, Searches: []apiv1.Search{{
		Bootloader: "\x1b[2J", MACAddress: "\n", Wins: "\r", Configuration: "\x9b31m", Content: "\x1b[31mred\x00\u202e\nplain\ttab\n", Source: "\x1b",
		Setup: &apiv1.Setup{Path: "\x07", Text: "\x1b[0m\n"}, InChroot: new("\x1b"), Reasons: []string{"\x1b[31m\nreason"}, Warnings: []string{"\u2028warning"},
		Asks:    []apiv1.Ask{{Asked: true, Paths: []string{"\r", "\t"}, By: "\n", Found: "\v", Path: "\r", Configuration: "\b", Note: "\x1b"}, {Asked: true, Unknown: true, Pattern: "\x1b", Found: "\x1b"}},
		Servers: []apiv1.Verification{{Server: "\x1b", Got: "\n"}, {Server: "\x1b", Problem: "\n"}, {Server: "\n", Served: true}}}}}, false},
}

// Whatever a server says, it is written, and does nothing to the terminal.
func TestExplanationsOfAnything(t *testing.T) {
	some := rapid.SliceOfN(text(), 0, 3)
	ask := rapid.Custom(func(t *rapid.T) apiv1.Ask {
		return apiv1.Ask{Paths: some.Draw(t, "paths"), By: rapid.SampledFrom([]string{"ip", "mac"}).Draw(t, "by"), Asked: rapid.Bool().Draw(t, "asked"), Unknown: rapid.Bool().Draw(t, "unknown"),
			Pattern: text().Draw(t, "pattern"), Found: rapid.SampledFrom([]string{"absent", "readable", "x"}).Draw(t, "found"), Path: text().Draw(t, "path"), Note: text().Draw(t, "note")}
	})
	search := rapid.Custom(func(t *rapid.T) apiv1.Search {
		s := apiv1.Search{Bootloader: text().Draw(t, "loader"), MACAddress: text().Draw(t, "mac"), Asks: rapid.SliceOfN(ask, 0, 5).Draw(t, "asks"), Wins: text().Draw(t, "wins"),
			Configuration: text().Draw(t, "configuration"), Content: text().Draw(t, "content"), Reasons: some.Draw(t, "reasons"), Warnings: some.Draw(t, "warnings")}
		if rapid.Bool().Draw(t, "chroot?") {
			s.InChroot = new(text().Draw(t, "chroot"))
		}
		if rapid.Bool().Draw(t, "setup?") {
			s.Setup = &apiv1.Setup{Path: text().Draw(t, "where"), Text: text().Draw(t, "setup")}
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		e := apiv1.Explanation{Name: text().Draw(t, "name"), State: text().Draw(t, "state"), AsDeployed: rapid.Bool().Draw(t, "as deployed"), Searches: rapid.SliceOfN(search, 0, 3).Draw(t, "searches")}
		if rapid.Bool().Draw(t, "configured") {
			e.Configuration = &apiv1.ConfigurationRef{Name: text().Draw(t, "deployed")}
		}
		var b bytes.Buffer
		explained(&e, rapid.Bool().Draw(t, "whole")).text(&b)
		for _, r := range b.String() {
			if r != '\n' && r != '\t' && !pxepilot.Printable(r) {
				t.Fatalf("%q reaches the terminal in %q", r, b.String())
			}
		}
	})
}
