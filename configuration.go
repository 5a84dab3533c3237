package pxepilot

// A Bootloader is one of the programs that machines fetch first and that then
// ask the TFTP server for a boot configuration of their own.
type Bootloader struct {
	Name       string
	Kind       Kind     // names the layout; empty means that Name does
	Links      []string // templates of the links below the TFTP root; empty means the layout's
	File       string   // what DHCP offers, such as "pxelinux.0"; only explanations use it
	ConfigPath string   // where the loader looks, such as "pxelinux.cfg/"; only explanations use it
}

// Kind is a row of the table of layouts, or Directory.
type Kind string

// Directory is the kind of loaders whose configurations are directories, such
// as the Raspberry Pi's.
const Directory Kind = "directory"

// A Configuration is a boot configuration: a file of that name (or a directory,
// for loaders of kind Directory) in the configuration directory.
type Configuration struct {
	Name        string
	Bootloaders []string // the loaders that it has a variant for, in declared order
}

// Covers says whether the configuration has a variant for the bootloader.
func (c Configuration) Covers(bootloader string) bool {
	for _, b := range c.Bootloaders {
		if b == bootloader {
			return true
		}
	}
	return false
}

// A Variant is the content of a configuration for one bootloader.
type Variant struct {
	Bootloader string
	Content    string // UTF-8; for kind Directory, the names of its entries, one a line
}
