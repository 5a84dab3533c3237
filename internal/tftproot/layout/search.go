package layout

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// An Ask is what a machine asks a TFTP server for at one step of its search.
type Ask struct {
	By    pxepilot.AskedBy
	Paths []string // below the TFTP root; of several the machine asks for one, and which is not known
	// Pattern is the form of the path, with what is not known in angle brackets. It is
	// empty where it is known what the machine asks for, and that it does.
	Pattern string
	Form    string         // of the path, like Pattern, where Paths are several
	Match   *regexp.Regexp // of the last components that Pattern stands for; nil where Paths are all
	If      string         // what must be so for the machine to ask; empty where it does
	Leads   bool           // by a script, to what follows
}

// A step is a Step of a loader's, as far as no host matters.
type step struct {
	Step
	digits  int    // of an IP address
	pattern string // of the path, where something of it may not be known
	match   *regexp.Regexp
}

// Search lists what the machine of a host asks for when it boots by the network
// card of a MAC address, in order. A script (Script) is taken to be in place.
func (l Loader) Search(h *pxepilot.Host, mac pxepilot.MAC) ([]Ask, error) {
	asks := make([]Ask, 0, len(l.steps))
	for _, s := range l.steps {
		switch {
		case s.Leads && len(l.unnamed) == 0:
			return append(asks, Ask{By: s.By, Paths: []string{l.place(s.Name)}}), nil
		case s.Leads:
			if script := l.Script(); script.Path != "" {
				asks = append(asks, Ask{By: pxepilot.ByScript, Paths: []string{script.Path}, Leads: true})
			}
		case strings.HasPrefix(s.Name, "{link}"):
			for _, t := range l.unnamed {
				base, err := t.expand(h, mac)
				if err != nil {
					return nil, err
				}
				asks = append(asks, Ask{By: t.by(), Paths: []string{path.Join(t.dir, base) + strings.TrimPrefix(s.Name, "{link}")}})
			}
		default:
			asks = append(asks, l.ask(s, h, mac))
		}
	}
	return asks, nil
}

// ask puts what is known of a host into a name.
func (l Loader) ask(s step, h *pxepilot.Host, mac pxepilot.MAC) Ask {
	ip, hasIP := HexIP(h.IP)
	var known []string
	switch {
	case strings.Contains(s.Name, "{uuid}") && !h.UUID.IsZero():
		known = []string{h.UUID.Swapped().String(), h.UUID.String()}
	case strings.Contains(s.Name, "{ip}") && hasIP:
		known = []string{ip[:s.digits]}
	case s.match == nil:
		known = []string{mac.Dashed()}
	}
	a := Ask{By: s.By, If: s.If}
	for _, value := range known {
		a.Paths = appendNew(a.Paths, facts.ReplaceAllLiteralString(l.place(s.Name), value))
	}
	if len(a.Paths) > 1 {
		a.Form = s.pattern
	}
	if len(known) == 0 || s.If != "" {
		a.Pattern = s.pattern
	}
	if len(known) == 0 {
		a.Match = s.match
	}
	return a
}

// prepare does what a search needs no host for.
func (l *Loader) prepare() {
	for _, t := range l.templates {
		named := false
		for _, s := range l.row.Search {
			named = named || s.Name == path.Base(t.String())
		}
		if named {
			l.named = append(l.named, t)
		} else {
			l.unnamed = append(l.unnamed, t)
		}
	}
	search := l.row.Search
	if l.Directory && l.file != "" && l.file != "bootcode.bin" {
		// Not a Raspberry Pi, which does not ask for what DHCP offers.
		search = []Step{{Name: "{link}/" + l.file}, {By: pxepilot.ByDefault, Name: "/" + l.file}}
	}
	for _, s := range search {
		if !strings.Contains(s.Name, "{ip}") {
			l.steps = append(l.steps, l.step(s, 0))
			continue
		}
		for digits := 8; digits > 0; digits-- {
			l.steps = append(l.steps, l.step(s, digits))
		}
	}
}

// step finds the form of the names that a step may ask for.
func (l *Loader) step(s Step, digits int) step {
	if strings.HasPrefix(s.Name, "{link") || s.Leads || s.By == pxepilot.ByMAC || !strings.Contains(s.Name, "{") {
		return step{Step: s}
	}
	called := map[string]string{"{uuid}": "<UUID>", "{ip}": fmt.Sprintf("<IP address, %d hex digits>", digits)}
	form := map[string]string{"{uuid}": uuidAsked, "{ip}": fmt.Sprintf("[0-9A-F]{%d}", digits), "{arch}": archForm}
	base := facts.ReplaceAllStringFunc(s.Name, func(fact string) string { return cmp.Or(called[fact], "<"+fact[1:len(fact)-1]+">") })
	match := facts.ReplaceAllStringFunc(regexp.QuoteMeta(s.Name), func(fact string) string {
		return cmp.Or(form[strings.ReplaceAll(fact, `\`, "")], `[A-Za-z0-9_.-]+`)
	})
	return step{s, digits, l.place(base), regexp.MustCompile("^" + match + "$")}
}

// facts are the placeholders of a step, as they are or quoted for a form.
var facts = regexp.MustCompile(`\\?\{\w+\\?\}`)

// place is the path of a step's name.
func (l Loader) place(name string) string {
	switch {
	case strings.HasPrefix(name, "/"):
		return name[1:]
	case strings.HasPrefix(name, "{links}/"):
		return path.Join(l.templates[0].dir, strings.TrimPrefix(name, "{links}/"))
	}
	folder, _ := l.Folder()
	return path.Join(folder, name)
}

// Folder is where the loader looks for the names that it asks for by itself. It is
// told by the loader's facts, or else supposed to be where its links are.
func (l Loader) Folder() (folder string, told bool) {
	inRoot := strings.TrimPrefix(l.row.Folder, "/")
	looks := l.configPath
	if slices.ContainsFunc(l.row.Search, func(s Step) bool { return s.Name == path.Base(looks) }) {
		looks = path.Dir(looks) // of the default, which people name as well
	}
	switch {
	case looks != "" && inRoot == l.row.Folder && inRoot != "" && path.Base(looks) != inRoot:
		return path.Join(looks, inRoot), true // what is told is where it was fetched from
	case looks != "":
		return looks, true
	case inRoot != l.row.Folder:
		return inRoot, true
	case l.file != "" && inRoot != "":
		return path.Join(path.Dir(l.file), inRoot), true
	}
	return l.templates[0].dir, false
}

// below is a path that somebody wrote, below the TFTP root; empty where it is none,
// and where it is for people to read, such as a URL.
func below(p string) string {
	if p == "" || strings.Contains(p, "://") || strings.ContainsAny(p, "{} \t") {
		return ""
	}
	if p = path.Clean("/" + p)[1:]; p == "" {
		return "."
	}
	return p
}

// uuidAsked is the form of the UUIDs that loaders ask for.
const uuidAsked = `[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`

// HexIP is an IPv4 address as loaders ask for it, or not ok for any other.
func HexIP(ip netip.Addr) (string, bool) {
	if ip = ip.Unmap(); !ip.Is4() {
		return "", false
	}
	b := ip.As4()
	return fmt.Sprintf("%08X", binary.BigEndian.Uint32(b[:])), true
}

func appendNew(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// ByUUID is the UUID that a name is made of, where the loader asks for such names, and
// what must be so for that, where it does not always; else empty.
func (l Loader) ByUUID(base string) (uuid, perhaps string) {
	for _, s := range l.steps {
		if s.By == pxepilot.ByUUID && s.match.MatchString(base) {
			return UUIDIn(base), s.If
		}
	}
	return "", ""
}

// UUIDIn finds the UUID in a name that a loader may ask for, or returns "".
func UUIDIn(base string) string { return uuidIn.FindString(base) }

var uuidIn = regexp.MustCompile(uuidAsked + "$")

// Source says what tells that the loader asks so.
func (l Loader) Source() string { return l.row.Source }

// Naming is how the loader names what it asks for.
func (l Loader) Naming() pxepilot.Naming { return l.row.Naming }

// SkipsEmpty says whether an empty file is as good as none for the loader.
func (l Loader) SkipsEmpty() bool { return l.row.Empty }

// Trouble says why the loader does not ask for the links of hosts at all, and what
// to do, in a sentence; empty where it does. place tells where a directory below
// the root is, for it may be a symbolic link; amiss says what is wrong with the
// script, and is empty where it is in place.
func (l Loader) Trouble(place func(dir string) string, amiss string) string {
	folder, told := l.Folder()
	example := l.templates[0]
	if slices.ContainsFunc(l.named, func(t template) bool { return !told || place(t.dir) == place(folder) }) {
		return ""
	}
	switch script := l.Script(); {
	case len(l.named) > 0:
		dir, base := l.named[0].dir, path.Base(l.named[0].String())
		move := ""
		if l.row.Moves != "" {
			move = fmt.Sprintf(", or have %s and set its config_path: %s/", l.row.Moves, dir)
		}
		return fmt.Sprintf("bootloader %s looks in %s, and its links are in %s, where it never asks for them; set its link: %q%s, and deploy again",
			l.Name, folder, dir, path.Join(folder, base), move)
	case script == nil && !l.linked():
		return fmt.Sprintf("bootloader %s does not ask for names such as %s; set its link: %q", l.Name, example, path.Join(folder, l.native()))
	case script != nil && script.Path != "" && amiss != "":
		return fmt.Sprintf("bootloader %s asks for links such as %s only if %s makes it, which %s; 'pxe-pilot host explain' prints what belongs there", l.Name, example, script.Path, amiss)
	}
	return ""
}

// linked says whether the loader may ask for any link.
func (l Loader) linked() bool {
	return slices.ContainsFunc(l.steps, func(s step) bool { return strings.HasPrefix(s.Name, "{link}") })
}

// native is the name with the MAC address that the loader asks for by itself.
func (l Loader) native() string {
	i := slices.IndexFunc(l.steps, func(s step) bool { return s.By == pxepilot.ByMAC })
	return l.steps[max(i, 0)].Name
}

// RunsOn says whether a machine with that firmware can run the loader, as far as its
// kind and its file tell. All may where the firmware is not known.
func (l Loader) RunsOn(f pxepilot.Firmware) bool {
	ext := strings.ToLower(path.Ext(strings.TrimSuffix(l.file, ".signed")))
	switch {
	case l.row.Kind == "pxelinux", ext == ".0", ext == ".kpxe", ext == ".pxe":
		return f != pxepilot.UEFI
	case l.row.Kind == "syslinux", ext == ".efi":
		return f != pxepilot.BIOS
	}
	return true
}
