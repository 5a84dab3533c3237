// Package layout computes names: which links below the TFTP root belong to a
// host, for each bootloader, and what its machine asks for, in order, until it gets
// something (search.go). It is pure; whoever does I/O asks it where.
//
// A new bootloader is one entry in Table. A loader whose machines ask for other
// names than the table's gets them by the templates of the configuration file.
package layout

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// Default is the loader of a site that declares none.
const Default = "pxelinux"

// TempPrefix begins the names of temporary links and of the plan on disk.
// Dotfiles are never configurations, and no loader asks for one.
const TempPrefix = ".pxe-pilot."

// TempName is the temporary name of base in the transaction tx.
func TempName(tx, base string) string { return TempPrefix + tx + "." + base }

// KeepMark stands between the name of a file that was in the way of a link and
// the time when it was put aside, in seconds since 1970. A "-" and a number may
// follow.
const KeepMark = ".orig-"

// MaxKept is how many files of one name may be put aside within one second.
const MaxKept = 999

// TxLen is the length of a transaction's identifier.
const TxLen = 8

// MaxBase is the longest last component of a link in bytes, so that its
// temporary name, and the name that a file in its way is kept under, fit
// NAME_MAX as well.
const MaxBase = pxepilot.MaxName - len(TempPrefix) - TxLen - 1

// A Loader is a bootloader with its templates compiled.
type Loader struct {
	Name       string
	Directory  bool // its configurations are directories
	templates  []template
	row        *Row
	file       string     // that machines fetch it from, below the TFTP root; empty when not told
	configPath string     // where it looks, below the TFTP root; empty when not told
	named      []template // that the loader asks for by itself
	unnamed    []template // all others
	steps      []step
}

// A Name is one link of a host.
type Name struct {
	Dir  string // below the TFTP root; "." for the root itself
	Base string
	MAC  pxepilot.MAC // zero when no MAC address is part of the name
}

// Path is the link's path below the TFTP root.
func (n Name) Path() string { return path.Join(n.Dir, n.Base) }

// Compile checks a declared bootloader and its templates.
func Compile(b pxepilot.Bootloader) (Loader, error) {
	links, err := Links(b)
	if err != nil {
		return Loader{}, err
	}
	l := Loader{Name: b.Name, Directory: b.Kind == pxepilot.Directory, row: rowOf(b), file: below(b.File), configPath: below(b.ConfigPath)}
	if l.file == "." { // a directory, and no file
		l.file = ""
	}
	seen := map[string]bool{}
	for _, link := range links {
		t, err := parse(link)
		if err != nil {
			return Loader{}, err
		}
		if seen[t.String()] {
			return Loader{}, fmt.Errorf("the link %s stands twice", pxepilot.Quote(link))
		}
		seen[t.String()] = true
		l.templates = append(l.templates, t)
	}
	l.prepare()
	return l, nil
}

// Links returns the link templates of a bootloader: its own, or those that the
// table has for its kind or name.
func Links(b pxepilot.Bootloader) ([]string, error) {
	row := rowOf(b)
	switch {
	case row.Kind != b.Kind && b.Kind != "":
		return nil, fmt.Errorf("unknown kind %s (want %s)%s",
			pxepilot.Quote(string(b.Kind)), oneOf(Kinds()), pxepilot.DidYouMean(string(b.Kind), Kinds()))
	case len(b.Links) > 0:
		return b.Links, nil
	case row.Link != "":
		return []string{row.Link}, nil
	case row.Kind != "":
		return nil, fmt.Errorf("bootloader %s of kind %s needs a link, such as \"{serial}\" or \"{mac}\"", pxepilot.Quote(b.Name), row.Kind)
	}
	return nil, fmt.Errorf("bootloader %s needs a kind (%s) or a link%s",
		pxepilot.Quote(b.Name), strings.Join(Kinds(), ", "), pxepilot.DidYouMean(b.Name, Kinds()))
}

// rowOf finds what is known of a bootloader by its kind, or else by its name.
func rowOf(b pxepilot.Bootloader) *Row {
	kind := cmp.Or(b.Kind, pxepilot.Kind(b.Name))
	for i := range Table {
		if Table[i].Kind == kind && (b.Kind != "" || kind != pxepilot.Directory) {
			return &Table[i]
		}
	}
	return &custom
}

// Kinds lists the kinds of the table.
func Kinds() []string {
	kinds := make([]string, len(Table))
	for i, row := range Table {
		kinds[i] = string(row.Kind)
	}
	return kinds
}

func oneOf(list []string) string {
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// Templates returns the loader's link templates.
func (l Loader) Templates() []string {
	s := make([]string, len(l.templates))
	for i, t := range l.templates {
		s[i] = t.String()
	}
	return s
}

// Dirs lists the directories that the loader's links are in, each once.
func (l Loader) Dirs() []string {
	var dirs []string
	for _, t := range l.templates {
		dirs = appendNew(dirs, t.dir)
	}
	return dirs
}

// Counts says whether the loader counts for a host.
func (l Loader) Counts(h *pxepilot.Host) bool {
	if len(h.Bootloaders) == 0 {
		return true
	}
	for _, b := range h.Bootloaders {
		if b == l.Name {
			return true
		}
	}
	return false
}

// Names returns the links of a host. The first one leads to the configuration;
// all others lead to the first, so that one rename switches them all. It fails
// where the host lacks a fact that a template needs.
func (l Loader) Names(h *pxepilot.Host) ([]Name, error) {
	names := make([]Name, 0, len(h.MACs)*len(l.templates))
	for i, mac := range h.MACs {
		for _, t := range l.templates {
			if i > 0 && !t.perMAC() {
				continue
			}
			base, err := t.expand(h, mac)
			if err != nil {
				return nil, err
			}
			if err := checkBase(base); err != nil {
				return nil, fmt.Errorf("host %s: %w", pxepilot.Quote(h.Name), err)
			}
			n := Name{Dir: t.dir, Base: base}
			if t.perMAC() {
				n.MAC = mac
			}
			for _, other := range names {
				if other.Dir == n.Dir && other.Base == n.Base {
					return nil, fmt.Errorf("host %s: two of its link templates give the same link %s", pxepilot.Quote(h.Name), pxepilot.Quote(n.Path()))
				}
			}
			names = append(names, n)
		}
	}
	return names, nil
}

// checkBase says what is wrong with the last component of a link. What a template
// takes from the file (a host's name, its serial number) decides about that, too.
func checkBase(base string) error {
	if strings.HasPrefix(base, TempPrefix) {
		return fmt.Errorf("the link %s would begin like a temporary name (%s)", pxepilot.Quote(base), TempPrefix)
	}
	if len(base) > MaxBase {
		return fmt.Errorf("the link %s would be longer than %d bytes", pxepilot.Quote(base), MaxBase)
	}
	if err := pxepilot.CheckName(base); err != nil {
		return fmt.Errorf("its link cannot be a file: %w", err)
	}
	return nil
}

// Reserved says whether base, in a directory that holds both configurations and
// the loader's links, is a name that loaders ask for and thus no configuration.
func (l Loader) Reserved(base string) bool {
	base, _, _ = strings.Cut(base, KeepMark)
	if loaderNames.MatchString(base) {
		return true
	}
	for _, t := range l.templates {
		if t.match.MatchString(base) {
			return true
		}
	}
	return false
}

// Matches says whether base, in directory dir, has the shape of a host's link.
func (l Loader) Matches(dir, base string) bool {
	for _, t := range l.templates {
		if t.dir == dir && t.match.MatchString(base) {
			return true
		}
	}
	return false
}

// loaderNames are the names that PXELINUX, U-Boot and GRUB ask for in their own
// directory: the default (U-Boot's also by architecture, its CONFIG_SYS_ARCH), the
// MAC address, the IP address in hexadecimal, shortened digit by digit, the UUID.
var loaderNames = regexp.MustCompile(`^(default(-` + archForm + `(-.*)?)?|` +
	`01-` + macDashed + `|[0-9A-F]{1,8}|` + uuidForm + `|` +
	`grub\.cfg|grub\.cfg-01-` + macDashed + `|grub\.cfg-[0-9A-F]{1,8})$`)

const (
	archForm  = `(?:arc|arm|m68k|microblaze|mips|nios2|powerpc|riscv|sandbox|sh|x86|xtensa)`
	macDashed = `[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}`
	macColons = `[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}`
	macBare   = `[0-9A-Fa-f]{12}`
	uuidForm  = `[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`
)

// Relative is the text of a link in directory dir that leads to target, both
// below the same root.
func Relative(dir, target string) string {
	if dir == "." {
		return target
	}
	from, to := strings.Split(dir, "/"), strings.Split(target, "/")
	for len(from) > 0 && len(to) > 1 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	return strings.Repeat("../", len(from)) + strings.Join(to, "/")
}
