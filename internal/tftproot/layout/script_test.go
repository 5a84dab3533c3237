package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

var (
	signed  = pxepilot.Bootloader{Name: "grub-signed"}
	foreman = pxepilot.Bootloader{Name: "grub2", Kind: "grub-signed", ConfigPath: "grub2/", Links: []string{"grub2/grub.cfg-01-{mac}", "grub2/grub.cfg-{mac:colon}"}}
	every   = pxepilot.Bootloader{Name: "grub-signed", Links: []string{"hosts/{mac:bare}.cfg", "grub/{uuid}", "grub/{serial}", "grub/by/{name}"}}
	chained = pxepilot.Bootloader{Name: "ipxe", File: "boot.ipxe"}
	chains  = pxepilot.Bootloader{Name: "ipxe", File: "undionly.kpxe", Links: []string{"i/{mac:colon}", "i/{mac:bare}", "i/{uuid}", "i/{serial}", "i/{name}.ipxe"}}
)

func TestScript(t *testing.T) {
	const stub = `# The same for every machine: goes on to the file of the one that reads it.
regexp --set=1:a --set=2:b --set=3:c --set=4:d --set=5:e --set=6:f '^(..):(..):(..):(..):(..):(..)$' "$net_default_mac"
`
	const rest = "# What follows is for machines that have none.\n"
	const chain = "chain --replace tftp://${next-server}/"
	for _, tt := range []struct {
		loader pxepilot.Bootloader
		want   *layout.Script
	}{
		{pxepilot.Bootloader{Name: "pxelinux"}, nil},
		{pxepilot.Bootloader{Name: "syslinux"}, nil},
		{pxepilot.Bootloader{Name: "grub"}, nil},
		{pxepilot.Bootloader{Name: "mine", Links: []string{"{mac}"}}, nil},
		{pxepilot.Bootloader{Name: "pi", Kind: pxepilot.Directory, Links: []string{"{mac}"}}, nil},
		{pxepilot.Bootloader{Name: "uboot"}, &layout.Script{Text: "setenv autoload no; dhcp && pxe get && pxe boot\n", Needed: true}},
		{signed, &layout.Script{Path: "grub/grub.cfg", Needed: true, Text: stub +
			"configfile $prefix/host/01-$a-$b-$c-$d-$e-$f\n" + rest + "configfile $prefix/host/default\n"}},
		{foreman, &layout.Script{Path: "grub2/grub.cfg", Needed: true, Text: stub +
			"configfile $prefix/grub.cfg-01-$a-$b-$c-$d-$e-$f\nconfigfile $prefix/grub.cfg-$net_default_mac\n" + rest + "configfile $prefix/default\n"}},
		// GRUB asks for the first by itself.
		{pxepilot.Bootloader{Name: "grub", Links: foreman.Links}, &layout.Script{Path: "grub2/grub.cfg", Text: strings.SplitAfter(stub, "\n")[0] +
			"configfile $prefix/grub.cfg-$net_default_mac\n" + rest + "configfile $prefix/default\n"}},
		{every, &layout.Script{Path: "grub/grub.cfg", Needed: true, Text: stub +
			"smbios --type 1 --get-uuid 8 --set=uuid\nsmbios --type 1 --get-string 7 --set=serial\n" +
			"set name=$net_pxe_hostname$net_efinet0_hostname$net_efinet1_hostname$net_efinet2_hostname$net_efinet3_hostname\n" +
			"configfile /hosts/$a$b$c$d$e$f.cfg\nconfigfile $prefix/$uuid\nconfigfile $prefix/$serial\nconfigfile $prefix/by/$name\n" +
			rest + "configfile /hosts/default\n"}},
		{chained, &layout.Script{Path: "boot.ipxe", Needed: true, Text: "#!ipxe\n" +
			chain + "ipxe/01-${netX/mac:hexhyp}.ipxe || " + chain + "ipxe/default.ipxe || exit\n"}},
		{chains, &layout.Script{Needed: true, Text: "#!ipxe\n" +
			chain + "i/${netX/mac} || " + chain + "i/${netX/mac:hexraw} || " + chain + "i/${uuid} || " + chain + "i/${serial:uristring} || " + chain + "i/${hostname}.ipxe || " +
			chain + "i/default.ipxe || exit\n"}},
	} {
		l := compile(t, tt.loader)
		got := l.Script()
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v: -want +got\n%s", tt.loader, diff)
		}
		if got == nil {
			continue
		}
		if got.Path != "" {
			// It goes on to what is searched for where it is in place.
			h := &pxepilot.Host{Name: "h1", Serial: "s1", UUID: uuid, MACs: []pxepilot.MAC{mac1, mac2}}
			asks, err := l.Search(h, mac1)
			if err != nil {
				t.Fatal(err)
			}
			route := l.Route(got.Text, h, mac1)
			followed, ok := l.Follow(asks, route, h, mac1)
			if diff := cmp.Diff(asks, followed, cmpopts.IgnoreTypes(&regexp.Regexp{})); diff != "" || !ok || route.Doubt != "" || !l.Leads(got.Text) {
				t.Errorf("%+v: its own script leads elsewhere (%q): -want +got\n%s", tt.loader, route.Doubt, diff)
			}
		}
		if strings.HasSuffix(got.Path, "grub.cfg") {
			testenv.Need(t, "grub-script-check")
			file := filepath.Join(t.TempDir(), "grub.cfg")
			if err := os.WriteFile(file, []byte(got.Text), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "grub-script-check", file).CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, got.Text)
			}
		}
	}
}

// Where scripts lead the machine whose MAC address is 52:54:00:ab:cd:01, and whether
// they lead to links at all.
func TestRoute(t *testing.T) {
	const (
		octets = "regexp --set=1:a --set=2:b --set=3:c --set=4:d --set=5:e --set=6:f '^(..):(..):(..):(..):(..):(..)$' \"$net_default_mac\"\n"
		dashed = "01-$a-$b-$c-$d-$e-$f"
		link   = "grub/host/01-52-54-00-ab-cd-01"
		other  = "grub/host/default"
		chain  = "ipxe/01-52-54-00-ab-cd-01.ipxe"
	)
	for _, tt := range []struct {
		loader pxepilot.Bootloader
		text   string
		leads  bool
		want   string // paths, and what is in doubt behind a "?"
	}{
		{signed, "", false, ""},
		{signed, "menuentry local {\n  configfile $prefix/host/default\n}\n", false, ""},
		{signed, "# configfile $prefix/host/01-$mac\n", false, ""},
		{signed, "configfile $prefix/host/01-52-54-00-ab-cd-01\n", false, link}, // one machine's
		{signed, "source $prefix/host/default\n", false, other},
		{signed, octets + "configfile (tftp)/grub/host/" + dashed + "\n", true, link},
		{signed, octets + "configfile (tftp,10.0.0.1)/grub/host/" + dashed + "; configfile ($root)/grub/host/default\n", true, link + " " + other},
		{signed, octets + "configfile (hd0,1)/grub/host/" + dashed + "\n", false, ""},
		{signed, octets + "set mac=$a-$b-$c-$d-$e-$f\nif true; then\n  source \"/grub/host/01-${mac}\"; fi\n", true, link},
		{signed, octets + "set dir=host\n. $prefix/$dir/" + dashed + "\nnormal /grub/host/default\n", true, link + " " + other},
		// Colons, in place of dashes.
		{signed, "configfile $prefix/host/01-$net_default_mac\nconfigfile $prefix/host/default\n", false, "grub/host/01-52:54:00:ab:cd:01 " + other},
		// The other way round.
		{signed, octets + "configfile $prefix/host/default\nconfigfile $prefix/host/" + dashed + "\n", true, other + " " + link},
		// Another folder, and another case of letters.
		{signed, octets + "configfile $prefix/hosts/" + dashed + "\n", false, "grub/hosts/01-52-54-00-ab-cd-01"},
		{signed, "regexp --set a '^52(.*)$' $net_default_mac\nconfigfile $prefix/host/01-52$a\n", true, "grub/host/01-52:54:00:ab:cd:01"},
		// What is there, what else.
		{signed, octets + "f=$prefix/host/" + dashed + "\nif [ -f $f ]; then\n  configfile $f\n  exit\nelse\n  configfile $prefix/host/default\nfi\n", true, link + " " + other},
		{signed, octets + "if [ -f $prefix/x ]; then configfile $prefix/host/" + dashed + "; fi\n", true, `?configfile $prefix/host/` + dashed},
		{signed, octets + "if [ -z \"$a\" ]; then configfile $prefix/host/default; else configfile $prefix/host/" + dashed + "; fi\n", true, link},
		{signed, octets + "if [ \"$grub_platform\" = efi ]; then configfile $prefix/host/" + dashed + "; fi\n", true, `?if [ "$grub_platform" = efi ]`},
		{signed, "configfile $prefix/other/$mac\n", true, "?configfile $prefix/other/$mac"},
		{signed, "regexp --set=1:a '^(.*)$' \"$nobody_knows\"\nconfigfile $prefix/host/01-$a\n", true, "?configfile $prefix/host/01-$a"},
		{signed, "linux /vmlinuz a=b\nboot\nconfigfile $prefix/host/default\n", false, ""},
		{foreman, "configfile $prefix/grub.cfg-$net_default_mac\n", true, "grub2/grub.cfg-52:54:00:ab:cd:01"},
		{foreman, "configfile $prefix/menu\n", false, "grub2/menu"},

		{chained, "#!ipxe\nchain ipxe/01-${net0/mac:hexhyp}.ipxe\n", true, chain},
		{chained, "#!ipxe\nset dir ipxe\nchain ${dir}/01-${mac:hexhyp}.ipxe || chain ${dir}/default.ipxe\n", true, chain + " ipxe/default.ipxe"},
		{chained, "#!ipxe\nchain ipxe/01-${mac:hexhyp}.ipxe\nchain ipxe/default.ipxe\n", true, chain}, // a failure ends it
		{chained, "#!ipxe\nchain ipxe/01-${mac:hexhyp}.ipxe || goto other\nexit\n:other\nchain /ipxe/default.ipxe\n", true, chain + " ipxe/default.ipxe"},
		{chained, "#!ipxe\n:again\ngoto again\n", true, "?goto again"},
		{chained, "#!ipxe\nchain tftp://${next-server}/ipxe/01-${net0/mac}.ipxe || chain http://10.0.0.1:3478/tftp/ipxe/default.ipxe\n", false, "ipxe/01-52:54:00:ab:cd:01.ipxe ipxe/default.ipxe"},
		{chained, "#!ipxe\nchain ipxe/01-${net0/mac}.ipxe || exit\n", false, ""}, // a colon ends a scheme
		{chained, "#!ipxe\nchain http://10.0.0.1:3478/boot/${netX/mac}\n", true, chain},
		{chained, "#!ipxe\nchain http://10.0.0.1/mine/${netX/mac}\n", true, "?chain http://10.0.0.1/mine/${netX/mac}"},
		{chained, "#!ipxe\nchain ipxe/01-${net1/mac:hexhyp}.ipxe || exit\n", true, "?chain ipxe/01-${net1/mac:hexhyp}.ipxe"},
		{chained, "#!ipxe\niseq ${netX/mac} 52:54:00:ab:cd:01 && chain mine.ipxe ||\nchain ipxe/default.ipxe\n", false, "mine.ipxe ipxe/default.ipxe"},
		{chained, "#!ipxe\n# chain ipxe/01-${mac:hexhyp}.ipxe\nsanboot http://x/y\n", false, ""},
		{chained, "#!ipxe\nmenu what\n", true, "?menu what"},
	} {
		l := compile(t, tt.loader)
		route := l.Route(tt.text, &pxepilot.Host{Name: "h1", MACs: []pxepilot.MAC{mac1}}, mac1)
		got := strings.Join(route.Paths, " ")
		if route.Doubt != "" {
			got += "?" + route.Doubt
		}
		if leads := l.Leads(tt.text); got != tt.want || leads != tt.leads {
			t.Errorf("%s by %q: %q and %t, want %q and %t", tt.loader.Name, tt.text, got, leads, tt.want, tt.leads)
		}
	}
	two := &pxepilot.Host{Name: "h1", MACs: []pxepilot.MAC{mac1, mac2}}
	if route := compile(t, chained).Route("#!ipxe\nchain ipxe/01-${net0/mac:hexhyp}.ipxe\n", two, mac1); route.Doubt == "" {
		t.Errorf("of two network cards the first one is any: %+v", route)
	}
}

// Whatever a script is, it is followed to an end, and not out of the root.
func FuzzRoute(f *testing.F) {
	for _, s := range []string{"", "if\n", "fi\nelse\n", "} }\n", "regexp --set\n", "regexp --set=9:x '(' y", "smbios\n", "set\n", "chain\n", "a || && b || ", "goto\n", ":x\ngoto x\n", "chain ../../x ||", "configfile ../../x", "search --set\n", "set x${y} ${\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, b := range []pxepilot.Bootloader{signed, foreman, chained} {
			for _, p := range compile(t, b).Route(text, &pxepilot.Host{Name: "h1", MACs: []pxepilot.MAC{mac1}}, mac1).Paths {
				if p == "" || filepath.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") {
					t.Errorf("%q leads to %q", text, p)
				}
			}
		}
	})
}

func TestTrouble(t *testing.T) {
	same := func(dir string) string { return dir }
	oneDirectory := func(dir string) string { return strings.TrimPrefix(dir, "bios/") } // by a symbolic link
	for _, tt := range []struct {
		loader pxepilot.Bootloader
		place  func(string) string
		amiss  string
		want   string
	}{
		{pxepilot.Bootloader{Name: "pxelinux"}, same, "", ""},
		{pxepilot.Bootloader{Name: "pxelinux", Links: []string{"bios/pxelinux.cfg/01-{mac}"}}, same, "", ""},
		{pxepilot.Bootloader{Name: "pxelinux", Links: []string{"pxelinux.cfg/01-{mac}", "bios/pxelinux.cfg/01-{mac}"}, File: "bios/pxelinux.0"}, same, "", ""},
		{pxepilot.Bootloader{Name: "pxelinux", File: "bios/pxelinux.0"}, oneDirectory, "", ""},
		{pxepilot.Bootloader{Name: "pxelinux", File: "bios/pxelinux.0"}, same, "",
			`bootloader pxelinux looks in bios/pxelinux.cfg, and its links are in pxelinux.cfg, where it never asks for them; set its link: "bios/pxelinux.cfg/01-{mac}", ` +
				`or have DHCP option 210 ("/") and set its config_path: pxelinux.cfg/, and deploy again`},
		{pxepilot.Bootloader{Name: "uboot", File: "arm/u.img"}, same, "",
			`bootloader uboot looks in arm/pxelinux.cfg, and its links are in pxelinux.cfg, where it never asks for them; set its link: "arm/pxelinux.cfg/01-{mac}", and deploy again`},
		{pxepilot.Bootloader{Name: "pxelinux", Links: []string{"pxelinux.cfg/{name}"}}, same, "",
			`bootloader pxelinux does not ask for names such as pxelinux.cfg/{name}; set its link: "pxelinux.cfg/01-{mac}"`},
		{signed, same, "", ""},
		{signed, same, "does not",
			`bootloader grub-signed asks for links such as grub/host/01-{mac} only if grub/grub.cfg makes it, which does not; 'pxe-pilot host explain' prints what belongs there`},
		{pxepilot.Bootloader{Name: "grub", Links: foreman.Links}, same, "does not", ""},
		{chains, same, "does not", ""}, // nobody knows where its script is
		{pxepilot.Bootloader{Name: "mine", Links: []string{"{mac}"}}, same, "", ""},
		{pxepilot.Bootloader{Name: "pi", Kind: pxepilot.Directory, Links: []string{"{mac}"}}, same, "", ""},
	} {
		if got := compile(t, tt.loader).Trouble(tt.place, tt.amiss); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.loader, got, tt.want)
		}
	}
}

// Whatever somebody wrote as facts of a bootloader, and whatever a host is called:
// what is asked for is below the root.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{"", "/", ".", "..", "../..", "bios/pxelinux.0", "//x//y/", "http://h/p", "a/../../b", "pxelinux.cfg/", "\x00", "boot.ipxe", "{uuid}", "{link}/x"} {
		for _, row := range layout.Table {
			f.Add(string(row.Kind), "x/01-{mac}", s, "", "h", "s")
			f.Add(string(row.Kind), "{name}/{serial}", "", s, "h", "s")
			f.Add(string(row.Kind), "{name}", s, s, "{ip}", "{link}")
		}
	}
	f.Fuzz(func(t *testing.T, kind, link, file, configPath, name, serial string) {
		l, err := layout.Compile(pxepilot.Bootloader{Name: "x", Kind: pxepilot.Kind(kind), Links: []string{link}, File: file, ConfigPath: configPath})
		if err != nil || pxepilot.CheckName(name) != nil {
			return
		}
		for _, h := range []*pxepilot.Host{
			{Name: name, Serial: serial, MACs: []pxepilot.MAC{mac1}, UUID: uuid},
			{Name: name, Serial: serial, MACs: []pxepilot.MAC{mac1}},
		} {
			asks, err := l.Search(h, mac1)
			if err != nil {
				continue
			}
			for _, a := range asks {
				for _, p := range append(a.Paths, a.Pattern) {
					if filepath.IsAbs(p) || p != filepath.Clean(p) && p != "" || p == ".." || strings.HasPrefix(p, "../") {
						t.Errorf("%q asks for %q (link %q, file %q, config_path %q)", kind, p, link, file, configPath)
					}
				}
				if (a.Pattern == "") && len(a.Paths) == 0 {
					t.Errorf("%q asks for nothing: %+v", kind, a)
				}
			}
			if script := l.Script(); script != nil && script.Path != "" {
				l.Leads(script.Text)
			}
		}
		l.Trouble(func(dir string) string { return dir }, "is not there")
	})
}
