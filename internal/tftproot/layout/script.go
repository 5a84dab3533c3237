package layout

import (
	"path"
	"slices"
	"strings"
)

// A Script is what must be in place for a loader to ask for the links of hosts.
type Script struct {
	Path   string // below the TFTP root; empty where that is the site's choice
	Text   string
	Needed bool // the loader asks for none of the links by itself, or not without being told
}

// A script writes what makes a loader ask for links, and knows it when it sees it.
type script interface {
	// path is where it belongs, below the TFTP root; empty where nobody can tell.
	path(l *Loader) string
	text(l *Loader) string
	// route follows a text as a machine does, as far as can be told without running it.
	route(l *Loader, text string, m machine) Route
}

// Script returns what makes the loader ask for the links of hosts, or nil where it
// does by itself.
func (l Loader) Script() *Script {
	leads := slices.ContainsFunc(l.row.Search, func(s Step) bool { return s.Leads })
	if l.row.Script == nil || leads && len(l.unnamed) == 0 {
		return nil
	}
	return &Script{l.row.Script.path(&l), l.row.Script.text(&l), !leads || len(l.named) == 0}
}

// in writes a template with expressions of a script's own for the placeholders.
func (t template) in(expressions map[string]string) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.place != nil {
			b.WriteString(expressions[p.place.name])
		} else {
			b.WriteString(p.text)
		}
	}
	return path.Join(t.dir, b.String())
}

// commandLines are the lines of a script that are no comments.
func commandLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// grubScript is the grub.cfg of a GRUB that does not look for files of its machine
// by itself. $net_default_mac has colons, and configfile goes on where there is no
// such file (GRUB manual, "Network" and "Commands").
type grubScript struct{}

func (grubScript) path(l *Loader) string { return l.place("grub.cfg") }

func (g grubScript) text(l *Loader) string {
	const octet = "(..)"
	var b strings.Builder
	b.WriteString("# The same for every machine: goes on to the file of the one that reads it.\n")
	text := l.linkText()
	if strings.Contains(text, "{mac}") || strings.Contains(text, "{mac:bare}") {
		b.WriteString("regexp --set=1:a --set=2:b --set=3:c --set=4:d --set=5:e --set=6:f '^" +
			strings.Repeat(octet+":", 5) + octet + "$' \"$net_default_mac\"\n")
	}
	if strings.Contains(text, "{uuid}") {
		b.WriteString("smbios --type 1 --get-uuid 8 --set=uuid\n")
	}
	if strings.Contains(text, "{serial}") {
		b.WriteString("smbios --type 1 --get-string 7 --set=serial\n")
	}
	if strings.Contains(text, "{name}") {
		// As DHCP said to the one interface that it spoke to. Debian's signed GRUB has no
		// eval to make the variable's name.
		b.WriteString("set name=$net_pxe_hostname$net_efinet0_hostname$net_efinet1_hostname$net_efinet2_hostname$net_efinet3_hostname\n")
	}
	for _, t := range l.unnamed {
		b.WriteString("configfile " + g.prefixed(l, t.in(map[string]string{
			"mac": "$a-$b-$c-$d-$e-$f", "mac:colon": "$net_default_mac", "mac:bare": "$a$b$c$d$e$f",
			"uuid": "$uuid", "serial": "$serial", "name": "$name",
		})) + "\n")
	}
	b.WriteString("# What follows is for machines that have none.\n")
	b.WriteString("configfile " + g.prefixed(l, l.place("{links}/default")) + "\n")
	return b.String()
}

// prefixed is a path as GRUB takes it: $prefix is the folder of grub.cfg.
func (grubScript) prefixed(l *Loader, p string) string {
	folder := l.place(".")
	if rest, ok := strings.CutPrefix(p, folder+"/"); ok {
		return "$prefix/" + rest
	}
	return "/" + p
}

// ipxeScript chains to the links. ${netX/...} is the network card that iPXE opened
// last, which is the one that boots: ${net0/...} may be another one's. The path is
// whole, as iPXE takes a colon in a relative one for the end of a scheme.
type ipxeScript struct{}

func (ipxeScript) path(l *Loader) string {
	if path.Ext(l.file) == ".ipxe" {
		return l.file
	}
	return ""
}

func (ipxeScript) text(l *Loader) string {
	chain := func(p string) string { return "chain --replace tftp://${next-server}/" + p + " || " }
	text := "#!ipxe\n"
	for _, t := range l.unnamed {
		text += chain(t.in(map[string]string{
			"mac": "${netX/mac:hexhyp}", "mac:colon": "${netX/mac}", "mac:bare": "${netX/mac:hexraw}",
			"uuid": "${uuid}", "serial": "${serial:uristring}", "name": "${hostname}",
		}))
	}
	return text + chain(l.place("{links}/default.ipxe")) + "exit\n"
}

// ubootScript is what U-Boot does, or is told to do by a person.
type ubootScript struct{}

func (ubootScript) path(*Loader) string { return "" }

func (ubootScript) text(*Loader) string {
	return "setenv autoload no; dhcp && pxe get && pxe boot\n"
}

func (ubootScript) route(*Loader, string, machine) Route { return Route{} }

// linkText is all templates that a script is for.
func (l *Loader) linkText() string {
	var b strings.Builder
	for _, t := range l.unnamed {
		b.WriteString(t.String() + "\n")
	}
	return b.String()
}
