package layout

import "github.com/pxe-pilot/pxe-pilot"

// A Row is what is known of one kind of bootloader.
type Row struct {
	Kind pxepilot.Kind
	Link string // of a host, below the TFTP root; empty where the site must tell it
	// Folder is where the loader looks: below the folder that it was fetched from, or
	// below the TFTP root where it begins with a slash. Empty is the folder of the
	// links, which then is built into the loader, or said by a script.
	Folder string
	Search []Step // what it asks for, in order, until something is there
	Source string // what says so
	Script script // what makes it ask for links, where it does not by itself; nil for nothing
	// Empty says that an empty file is as good as none: the loader goes on to the next
	// name.
	Empty  bool
	Naming pxepilot.Naming
	// Moves is what moves Folder to that of config_path; empty where nothing does.
	Moves string
}

// A Step of a search is a name that a machine asks for. Its placeholders are those
// of links, and:
//
//	{ip}                 the IPv4 address, in upper-case hexadecimal, all of its digits
//	                     first, then one less each time: eight steps
//	{arch} {soc} {board} what U-Boot was built for, which is not known here
//	{link}               the host's links that no other step names, each a step
//	{links}              the folder of the links
//	{script}             the script, where the site says which file that is
type Step struct {
	By   pxepilot.AskedBy
	Name string
	// If is what must be so for the machine to ask for that; empty where it does
	// always, or always if it has a UUID.
	If string
	// Leads says that the name is one of a script, which goes on to the steps that
	// follow. Where the host has no links for them it is the last step instead.
	Leads bool
}

// Table holds every kind of bootloader. All orders were read off the requests that
// reached TFTP servers, the Raspberry Pi's excepted.
var Table = []Row{
	{
		Kind:   "pxelinux",
		Link:   "pxelinux.cfg/01-{mac}",
		Folder: "pxelinux.cfg",
		Search: syslinuxSearch,
		Empty:  true,
		Naming: pxepilot.BesideBoot,
		Moves:  "DHCP option 210 (\"/\")",
		Source: "SYSLINUX 6.04, core/fs/pxe/pxe.c, pxe_load_config; SYSLINUX wiki, PXELINUX, \"Configuration\"",
	},
	{
		Kind:   "syslinux",
		Link:   "pxelinux.cfg/01-{mac}",
		Folder: "pxelinux.cfg",
		Search: syslinuxSearch,
		Empty:  true,
		Naming: pxepilot.BesideBoot,
		Moves:  "DHCP option 210 (\"/\")",
		Source: "SYSLINUX 6.04, core/fs/pxe/pxe.c, pxe_load_config, which syslinux.efi has as well",
	},
	{
		Kind:   "uboot",
		Link:   "pxelinux.cfg/01-{mac}",
		Folder: "pxelinux.cfg",
		Search: []Step{
			{By: pxepilot.ByUUID, Name: "{uuid}", If: "U-Boot's variable pxeuuid is set"},
			{By: pxepilot.ByMAC, Name: "01-{mac}"},
			{By: pxepilot.ByIP, Name: "{ip}"},
			{By: pxepilot.ByDefault, Name: "default-{arch}-{soc}-{board}"},
			{By: pxepilot.ByDefault, Name: "default-{arch}-{soc}"},
			{By: pxepilot.ByDefault, Name: "default-{arch}"},
			{By: pxepilot.ByDefault, Name: "default"},
		},
		Source: "U-Boot, cmd/pxe.c, pxe_get and pxe_default_paths; doc/README.pxe",
		Script: ubootScript{},
		Empty:  true,
		Naming: pxepilot.BesideBoot,
	},
	{
		Kind: "grub",
		Link: "boot/grub/grub.cfg-01-{mac}",
		Search: []Step{
			{By: pxepilot.ByUUID, Name: "grub.cfg-{uuid}", If: "the DHCP server sends option 97, the UUID, back to the machine"},
			{By: pxepilot.ByMAC, Name: "grub.cfg-01-{mac}"},
			{By: pxepilot.ByIP, Name: "grub.cfg-{ip}"},
			{By: pxepilot.ByDefault, Name: "grub.cfg", Leads: true},
			{Name: "{link}"},
			{By: pxepilot.ByDefault, Name: "{links}/default"},
		},
		Source: "GRUB 2.06, grub-core/net/net.c, grub_net_search_config_file; GRUB manual, \"Network\"",
		Script: grubScript{},
		Naming: pxepilot.Rooted,
	},
	{
		Kind:   "grub-signed",
		Link:   "grub/host/01-{mac}",
		Folder: "/grub",
		Search: []Step{
			{By: pxepilot.ByDefault, Name: "grub.cfg", Leads: true},
			{Name: "{link}"},
			{By: pxepilot.ByDefault, Name: "{links}/default"},
		},
		Source: "the configuration that is built into grubnetx64.efi of Debian 12",
		Script: grubScript{},
		Naming: pxepilot.Rooted,
	},
	{
		Kind: "ipxe",
		Link: "ipxe/01-{mac}.ipxe",
		Search: []Step{
			{Name: "{script}", Leads: true},
			{Name: "{link}"},
			{By: pxepilot.ByDefault, Name: "{links}/default.ipxe"},
		},
		Source: "the script that iPXE is given; iPXE documentation, \"chain\" and \"Settings\"",
		Script: ipxeScript{},
		Empty:  true,
	},
	{
		Kind: pxepilot.Directory,
		Search: []Step{
			// These decide whether everything else, such as config.txt, is asked for below
			// the directory or in the root.
			{Name: "{link}/start4.elf"},
			{Name: "{link}/start.elf"},
			{By: pxepilot.ByDefault, Name: "/start4.elf"},
			{By: pxepilot.ByDefault, Name: "/start.elf"},
		},
		Source: "Raspberry Pi documentation, \"Network booting\" and \"TFTP_PREFIX\"; github.com/raspberrypi/rpi-eeprom, issue 74, for a capture",
	},
}

// PXELINUX asks for the UUID first; "01-" is the ARP hardware type of Ethernet.
var syslinuxSearch = []Step{
	{By: pxepilot.ByUUID, Name: "{uuid}"},
	{By: pxepilot.ByMAC, Name: "01-{mac}"},
	{By: pxepilot.ByIP, Name: "{ip}"},
	{By: pxepilot.ByDefault, Name: "default"},
}

// custom is the row of loaders that the table does not know. They may follow their
// boot file.
var custom = Row{
	Search: []Step{{Name: "{link}"}},
	Naming: pxepilot.BesideBoot,
	Source: "the links of the configuration file",
}
