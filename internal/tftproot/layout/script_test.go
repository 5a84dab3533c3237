package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		if links, otherwise := l.Leads(got.Text); !links || !otherwise {
			t.Errorf("%+v: its own script is not known to lead on (%t, %t)", tt.loader, links, otherwise)
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

func TestLeads(t *testing.T) {
	for _, tt := range []struct {
		loader           pxepilot.Bootloader
		text             string
		links, otherwise bool
	}{
		{signed, "", false, false},
		{signed, "menuentry local {\n  exit\n}\n", false, false},
		{signed, "# configfile $prefix/host/01-$mac\n", false, false},
		{signed, "configfile $prefix/host/01-52-54-00-ab-cd-01\n", false, false}, // one machine's
		{signed, "configfile $prefix/other/$mac\n", false, false},
		{signed, "source $prefix/host/default\n", false, true},
		{signed, "configfile (tftp)/grub/host/01-$a-$b-$c-$d-$e-$f\n", true, false},
		{signed, "if true; then\n  source \"/grub/host/01-${mac}\"; fi\n", true, false},
		{signed, ". $prefix/host/01-$mac\nnormal /grub/host/default\n", true, true},
		{signed, "set dir=host\nconfigfile $prefix/$dir/01-$mac\n", true, false},
		{foreman, "configfile $prefix/grub.cfg-$net_default_mac\n", true, false},
		{foreman, "configfile $prefix/menu\n", false, false},
		{chained, "#!ipxe\nchain ipxe/01-${net0/mac:hexhyp}.ipxe\n", true, false},
		{chained, "#!ipxe\nset dir ipxe\nchain ${dir}/01-${mac:hexhyp}.ipxe || chain ${dir}/default.ipxe\n", true, true},
		{chained, "#!ipxe\nchain http://10.0.0.1:3478/boot/${netX/mac}\n", true, false},
		{chained, "#!ipxe\n# chain ipxe/01-${mac:hexhyp}.ipxe\nsanboot http://x/y\n", false, false},
	} {
		links, otherwise := compile(t, tt.loader).Leads(tt.text)
		if links != tt.links || otherwise != tt.otherwise {
			t.Errorf("%s by %q: %t and %t, want %t and %t", tt.loader.Name, tt.text, links, otherwise, tt.links, tt.otherwise)
		}
	}
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
