package tftproot

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// What is not known of a host may come first.
func TestExplainUnknownHosts(t *testing.T) {
	setup := func(hosts ...string) *site {
		s := newSite(t, Options{Path: openRoot(t)}, []string{"a", "b"}, hosts...)
		s.write("pxelinux.cfg/default", "x")
		s.write("pxelinux.cfg/"+swapped1, "x")
		s.write("pxelinux.cfg/0A6300B9", "x")
		s.write("pxelinux.cfg/0A63", "x")
		return s
	}
	s := setup("h1 "+mac1, "h2 "+mac2)
	s.deploy("a", "h1")
	diff(t, []string{
		`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
		`warning: pxelinux.cfg/` + swapped1 + ` would come first if that is this machine's UUID; add uuid to host "h1" in the configuration file, or remove it`,
		`h2 pxelinux: pxelinux.cfg/default`,
		`reason: nothing is deployed to host "h2", so that pxelinux.cfg/` + lnk2 + ` is not there; 'pxe-pilot config deploy NAME h2' makes it`,
		`warning: pxelinux.cfg/` + swapped1 + ` would come first if that is this machine's UUID; add uuid to host "h2" in the configuration file, or remove it`,
		`warning: pxelinux.cfg/0A6300B9 would come first if the machine's IP address begins so; add ip to host "h2" in the configuration file`,
		`warning: pxelinux.cfg/0A63 would come first if the machine's IP address begins so; add ip to host "h2" in the configuration file`,
	}, s.explained("h1", "h2"))
	// What is another host's is none of theirs.
	s = setup("h1 "+mac1, "h2 "+mac2, "h3 uuid:"+uuid1+" ip:10.99.0.185 "+mac3)
	s.deploy("a", "h1")
	diff(t, []string{
		`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
		`h2 pxelinux: pxelinux.cfg/default`,
		`reason: nothing is deployed to host "h2", so that pxelinux.cfg/` + lnk2 + ` is not there; 'pxe-pilot config deploy NAME h2' makes it`,
		`warning: pxelinux.cfg/0A63 would come first if the machine's IP address begins so; add ip to host "h2" in the configuration file`,
	}, s.explained("h1", "h2"))
	// Not all of many names are told.
	for i := range 4 {
		s.write(fmt.Sprintf("pxelinux.cfg/%08x%s", i, uuid2[8:]), "x")
	}
	diff(t, []string{
		`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
		`warning: pxelinux.cfg/` + uuid2 + `, pxelinux.cfg/00000001` + uuid2[8:] + `, pxelinux.cfg/00000002` + uuid2[8:] + ` and 1 more would come first if that is this machine's UUID; add uuid to host "h1" in the configuration file, or remove it`,
	}, s.explained("h1"))
}

func TestExplainSeveralCards(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(s *site)
		want  []string
	}{
		{"as deployed", func(s *site) {}, []string{
			`h3 pxelinux: pxelinux.cfg/` + lnk3 + ` (a)`,
			`h3 pxelinux: pxelinux.cfg/` + lnk33 + ` (a)`,
		}},
		{"one is missing", func(s *site) { os.Remove(s.path + "/pxelinux.cfg/" + lnk33) }, []string{
			`h3 pxelinux: pxelinux.cfg/` + lnk3 + ` (a)`,
			`h3 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk33 + ` is missing; 'pxe-pilot host repair h3' or a deploy makes it`,
		}},
		{"the first is missing", func(s *site) { os.Remove(s.path + "/pxelinux.cfg/" + lnk3) }, []string{
			`h3 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk3 + ` is missing; 'pxe-pilot host repair h3' or a deploy makes it`,
			`h3 pxelinux: pxelinux.cfg/default`,
			`reason: pxelinux.cfg/` + lnk33 + `: it leads to pxelinux.cfg/` + lnk3 + `, which is not there; 'pxe-pilot config deploy NAME h3' mends it`,
		}},
		{"they differ", func(s *site) { s.symlink("conf/b", "pxelinux.cfg/"+lnk33) }, []string{
			`h3 pxelinux: pxelinux.cfg/` + lnk3 + ` (a)`,
			`reason: the links of host "h3" lead to different configurations; deploy the one that is meant`,
			`h3 pxelinux: pxelinux.cfg/` + lnk33 + ` (b)`,
			`reason: the links of host "h3" lead to different configurations; deploy the one that is meant`,
		}},
		{"entangled", func(s *site) { s.symlink(lnk1, "pxelinux.cfg/"+lnk33) }, []string{
			`h3 pxelinux: pxelinux.cfg/` + lnk3 + ` (a)`,
			`h3 pxelinux: pxelinux.cfg/` + lnk33 + ` (b)`,
			`reason: pxelinux.cfg/` + lnk33 + ` leads through another host's link (pxelinux.cfg/` + lnk1 + `); 'pxe-pilot host repair h3' or a deploy detaches it`,
		}},
		{"an absolute link to the other", func(s *site) { s.symlink(s.path+"/pxelinux.cfg/"+lnk3, "pxelinux.cfg/"+lnk33) }, []string{
			`h3 pxelinux: pxelinux.cfg/` + lnk3 + ` (a)`,
			`h3 pxelinux: pxelinux.cfg/` + lnk33 + `, in a chroot pxelinux.cfg/default (a)`,
			`warning: ` + inAChroot + `pxelinux.cfg/default instead, for it does not find what pxelinux.cfg/` + lnk33 + ` leads to by an absolute path, or outside of the root; 'pxe-pilot host repair h3' makes it relative`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{Path: openRoot(t)}, []string{"a", "b"}, "h1 "+mac1, "h3 ip:10.99.0.185 "+mac3+" "+mac33)
			s.write("pxelinux.cfg/default", "x")
			s.deploy("b", "h1")
			s.deploy("a", "h3")
			tt.setup(s)
			diff(t, tt.want, s.explained("h3"))
		})
	}
}

// stub writes the script of the first loader, where it belongs.
func (s *site) stub() string {
	script := s.loaders[0].Script()
	s.write(script.Path, script.Text)
	return script.Path
}

func TestExplainLoaders(t *testing.T) {
	const (
		rpi1  = "d126b1f0/start4.elf"
		stub  = `bootloader grub-signed asks for links such as grub/host/01-{mac} only if grub/grub.cfg makes it, which `
		print = `; 'pxe-pilot host explain' prints what belongs there`
		bios  = `bootloader pxelinux looks in bios/pxelinux.cfg, and its links are in pxelinux.cfg, where it never asks for them; set its link: "bios/pxelinux.cfg/01-{mac}", or have DHCP option 210 ("/") and set its config_path: pxelinux.cfg/, and deploy again`
		pi    = "d126b1f0"
		noway = `bootloader pxelinux does not ask for names such as pxelinux.cfg/{name}; set its link: "pxelinux.cfg/01-{mac}"`
	)
	for _, tt := range []struct {
		name    string
		loaders []pxepilot.Bootloader
		setup   func(s *site)
		want    []string
	}{
		{"the folder of the links", []pxepilot.Bootloader{{Name: "pxelinux", Links: []string{"bios/pxelinux.cfg/01-{mac}"}}}, func(s *site) {
			s.write("bios/pxelinux.cfg/default", "x")
		}, []string{`h1 pxelinux: bios/pxelinux.cfg/` + lnk1 + ` (a)`}},
		{"another folder", []pxepilot.Bootloader{{Name: "pxelinux", File: "bios/pxelinux.0"}}, func(s *site) {
			s.write("bios/pxelinux.cfg/default", "x")
		}, []string{`h1 pxelinux: bios/pxelinux.cfg/default`, "reason: " + bios}},
		{"another folder that does not exist", []pxepilot.Bootloader{{Name: "pxelinux", File: "bios/pxelinux.0"}}, func(s *site) {},
			[]string{`h1 pxelinux: nothing`, "reason: " + bios}},
		{"another folder, by a link", []pxepilot.Bootloader{{Name: "pxelinux", File: "bios/pxelinux.0"}}, func(s *site) {
			s.write("bios/pxelinux.0", "x")
			s.symlink("../pxelinux.cfg", "bios/pxelinux.cfg")
		}, []string{`h1 pxelinux: bios/pxelinux.cfg/` + lnk1 + ` (a)`}},
		{"another folder, moved by DHCP", []pxepilot.Bootloader{{Name: "pxelinux", File: "bios/pxelinux.0", ConfigPath: "pxelinux.cfg/"}}, func(s *site) {},
			[]string{`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`}},
		{"the file as DHCP has it without a chroot", []pxepilot.Bootloader{{Name: "pxelinux", File: "ROOT/pxelinux.0", ConfigPath: "see the wiki"}}, func(s *site) {},
			[]string{`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`}},
		{"a prefix of GRUB's", []pxepilot.Bootloader{{Name: "grub", ConfigPath: "efi/grub"}}, func(s *site) { s.write("efi/grub/grub.cfg", "x") }, []string{
			`h1 grub: efi/grub/grub.cfg`,
			`reason: bootloader grub looks in efi/grub, and its links are in boot/grub, where it never asks for them; set its link: "efi/grub/grub.cfg-01-{mac}", and deploy again`,
		}},
		{"a name that is not asked for", []pxepilot.Bootloader{{Name: "pxelinux", Links: []string{"pxelinux.cfg/{name}"}}}, func(s *site) {},
			[]string{`h1 pxelinux: nothing`, "reason: " + noway}},
		{"a link named after the UUID", []pxepilot.Bootloader{{Name: "pxelinux", Links: []string{"pxelinux.cfg/{uuid}"}}}, func(s *site) { s.write("pxelinux.cfg/"+lnk1, "x") },
			[]string{
				`h1 pxelinux: pxelinux.cfg/` + lnk1,
				`reason: the machine asks for pxelinux.cfg/` + swapped1 + `, or in the other byte order for pxelinux.cfg/` + uuid1 + `, as its firmware has it, and not both are there; have both lead to the same, or name the links of bootloader pxelinux after MAC addresses`,
			}},
		{"a link named after the UUID, in both byte orders", []pxepilot.Bootloader{{Name: "pxelinux", Links: []string{"pxelinux.cfg/{uuid}"}}}, func(s *site) { s.symlink(uuid1, "pxelinux.cfg/"+swapped1) },
			[]string{`h1 pxelinux: pxelinux.cfg/` + swapped1 + ` (a)`}},

		{"GRUB by a UUID", []pxepilot.Bootloader{{Name: "grub"}}, func(s *site) { s.write("boot/grub/grub.cfg-"+swapped1, "x") }, []string{
			`h1 grub: boot/grub/grub.cfg-` + lnk1 + ` (a)`,
			`warning: boot/grub/grub.cfg-` + swapped1 + ` would come first if the DHCP server sends option 97, the UUID, back to the machine; remove it`,
		}},
		{"U-Boot's default", []pxepilot.Bootloader{{Name: "uboot"}}, func(s *site) {
			s.clear("h1")
			s.write("pxelinux.cfg/default-arm", "x")
			s.write("pxelinux.cfg/default", "x")
		}, []string{
			`h1 uboot: pxelinux.cfg/default`,
			`reason: nothing is deployed to host "h1", so that pxelinux.cfg/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
			`warning: pxelinux.cfg/default-arm would come first if the machine's loader was built for that`,
		}},

		{"signed GRUB", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) { s.stub() }, []string{`h1 grub-signed: grub/host/` + lnk1 + ` (a)`}},
		{"signed GRUB, cleared", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) { s.stub(); s.clear("h1"); s.write("grub/host/default", "x") }, []string{
			`h1 grub-signed: grub/host/default`,
			`reason: nothing is deployed to host "h1", so that grub/host/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
		{"signed GRUB without its stub", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {}, []string{`h1 grub-signed: nothing`, `reason: ` + stub + "is not there" + print}},
		{"signed GRUB with another stub", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {
			s.write("grub/grub.cfg", "# configfile $prefix/host/01-$mac\nmenuentry mine {\n}\n")
		}, []string{`h1 grub-signed: grub/grub.cfg`, `reason: ` + stub + "does not" + print}},
		{"signed GRUB with a stub of its own", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {
			s.write("grub/grub.cfg", "set mac=$net_default_mac\nif [ -n \"$mac\" ]; then source \"/grub/host/01-$m\"; fi\n")
			s.write("grub/host/default", "x")
			s.clear("h1")
		}, []string{
			`h1 grub-signed: grub/host/default`,
			`reason: what grub/grub.cfg goes on to for this machine cannot be told from its command "source \"/grub/host/01-$m\""` + print,
			`reason: nothing is deployed to host "h1", so that grub/host/` + lnk1 + ` is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
		{"signed GRUB with a stub that nobody understands", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {
			s.write("grub/grub.cfg", "configfile $prefix/host/01-$m\n")
		}, []string{
			`h1 grub-signed: grub/host/` + lnk1 + ` (a)`,
			`reason: what grub/grub.cfg goes on to for this machine cannot be told from its command "configfile $prefix/host/01-$m"` + print,
		}},
		{"signed GRUB with a stub that has colons", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {
			s.write("grub/grub.cfg", "configfile $prefix/host/01-$net_default_mac\nconfigfile $prefix/host/default\n")
			s.write("grub/host/default", "x")
		}, []string{`h1 grub-signed: grub/host/default`, `reason: ` + stub + "does not" + print}},
		{"signed GRUB with a stub the other way round", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {
			lines := strings.Split(s.loaders[0].Script().Text, "\n")
			lines[2], lines[4] = lines[4], lines[2]
			s.write("grub/grub.cfg", strings.Join(lines, "\n"))
			s.write("grub/host/default", "x")
		}, []string{
			`h1 grub-signed: grub/host/default`,
			`reason: grub/host/default comes before the host's link grub/host/` + lnk1 + `; remove it, for no deploy changes what it says`,
		}},
		{"signed GRUB with a stub that is closed", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) { os.Chmod(s.path+"/"+s.stub(), 0o600) },
			[]string{`h1 grub-signed: nothing`, `reason: ` + stub + "no machine gets (grub/grub.cfg has mode 0600, so that the user of a TFTP server cannot read it)" + print}},
		{"signed GRUB with an absolute stub", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {
			os.Rename(s.path+"/"+s.stub(), s.path+"/stub")
			s.symlink(s.path+"/stub", "grub/grub.cfg")
		}, []string{
			`h1 grub-signed: grub/host/` + lnk1 + `, in a chroot nothing (a)`,
			`warning: ` + inAChroot + `nothing instead of grub/grub.cfg, for it finds nothing behind links that are absolute or leave the root; make that one relative, and inside`,
		}},

		{"iPXE", []pxepilot.Bootloader{{Name: "ipxe"}}, func(s *site) {}, []string{`h1 ipxe: ipxe/` + lnk1 + `.ipxe (a)`}},
		{"iPXE with its script", []pxepilot.Bootloader{{Name: "ipxe", File: "boot.ipxe"}}, func(s *site) { s.stub() }, []string{`h1 ipxe: ipxe/` + lnk1 + `.ipxe (a)`}},
		{"iPXE without its script", []pxepilot.Bootloader{{Name: "ipxe", File: "boot.ipxe"}}, func(s *site) {}, []string{
			`h1 ipxe: nothing`,
			`reason: bootloader ipxe asks for links such as ipxe/01-{mac}.ipxe only if boot.ipxe makes it, which is not there` + print,
		}},

		// Two names, of which GRUB asks for one by itself.
		{"Foreman's names", []pxepilot.Bootloader{{Name: "grub", Links: []string{"grub2/grub.cfg-01-{mac}", "grub2/grub.cfg-{mac:colon}"}}}, func(s *site) {},
			[]string{`h1 grub: grub2/grub.cfg-` + lnk1 + ` (a)`}},
		{"Foreman's names, signed", []pxepilot.Bootloader{{Name: "grub", Kind: "grub-signed", ConfigPath: "grub2", Links: []string{"grub2/grub.cfg-01-{mac}", "grub2/grub.cfg-{mac:colon}"}}}, func(s *site) {
			s.stub()
			os.Remove(s.path + "/grub2/grub.cfg-" + lnk1)
			s.symlink("../conf/grub/a", "grub2/grub.cfg-"+mac1)
		}, []string{`h1 grub: grub2/grub.cfg-` + mac1 + ` (a)`}},

		{"a Raspberry Pi", []pxepilot.Bootloader{{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}}, func(s *site) {
			s.write("conf/rpi/a/start4.elf", "x")
		}, []string{`h1 rpi: d126b1f0/start4.elf (a)`}},
		{"a Raspberry Pi without firmware", []pxepilot.Bootloader{{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}}, func(s *site) { s.write("start.elf", "x") }, []string{
			`h1 rpi: start.elf`,
			`reason: what d126b1f0 leads to has none of start4.elf, start.elf, which the machine asks for; add one, or say by the bootloader's file what it is in this directory`,
		}},
		{"a Raspberry Pi, cleared", []pxepilot.Bootloader{{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}"}}}, func(s *site) { s.clear("h1") }, []string{
			`h1 rpi: nothing`,
			`reason: nothing is deployed to host "h1", so that d126b1f0 is not there; 'pxe-pilot config deploy NAME h1' makes it`,
		}},
		{"a root of its own", []pxepilot.Bootloader{{Name: "own", Kind: pxepilot.Directory, File: "pxelinux.0", Links: []string{"{mac}"}}}, func(s *site) {
			s.write("conf/own/a/pxelinux.0", "x")
		}, []string{`h1 own: ` + lnk1[3:] + `/pxelinux.0 (a)`}},

		{"a variant that is missing", []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "ipxe"}}, func(s *site) {
			os.Remove(s.path + "/conf/ipxe/a")
			s.deploy("a", "h1")
		}, []string{
			`h1 pxelinux: pxelinux.cfg/` + lnk1 + ` (a)`,
			`h1 ipxe: nothing`,
			`reason: configuration "a" has no variant for bootloader ipxe; add one, or list the host's bootloaders without it`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := openRoot(t)
			for i := range tt.loaders {
				tt.loaders[i].File = strings.Replace(tt.loaders[i].File, "ROOT", dir, 1)
			}
			s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: tt.loaders}, []string{"a", "b"}, "h1 uuid:"+uuid1+" serial:d126b1f0 ip:10.99.0.185 "+mac1)
			s.deploy("a", "h1")
			tt.setup(s)
			diff(t, tt.want, s.explained("h1"))
		})
	}
}

// What the firmware of a host cannot run is not explained, unless nothing else is.
func TestExplainFirmware(t *testing.T) {
	dir := openRoot(t)
	s := newSite(t, Options{Path: dir, Directory: dir + "/conf", Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}}, []string{"a"}, "h1 "+mac1)
	s.deploy("a", "h1")
	bios, both := `h1 pxelinux: pxelinux.cfg/`+lnk1+` (a)`, `h1 grub: boot/grub/grub.cfg-`+lnk1+` (a)`
	for firmware, want := range map[pxepilot.Firmware][]string{"": {bios, both}, pxepilot.BIOS: {bios, both}, pxepilot.UEFI: {both}} {
		s.inv.Hosts()[0].Firmware = firmware
		diff(t, want, s.explained("h1"))
	}
}
