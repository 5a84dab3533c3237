package pxepilot

import (
	"io"
	"time"
)

// An Explanation tells what a host will boot: what each loader that counts asks
// for, by each of the host's network cards, and what it gets.
type Explanation struct {
	Status   *HostStatus
	Searches []Search // by loader as declared, then by MAC address as in the file
}

// AsDeployed says whether the host boots what was deployed, whatever its loader and
// network card. What servers really gave counts for more than what the disk lets
// one fear of them.
func (e *Explanation) AsDeployed() bool {
	for i := range e.Searches {
		s := &e.Searches[i]
		if s.Unsure || s.Configuration == "" || s.Configuration != e.Status.Configuration || len(s.Servers) == 0 && len(s.Reasons) > 0 {
			return false
		}
		for _, v := range s.Servers {
			if !v.Served {
				return false
			}
		}
	}
	return len(e.Searches) > 0
}

// A Search is what one loader asks the TFTP server for when the host boots by one
// of its network cards: names in an order of the loader's own, until one of them
// is there.
type Search struct {
	Bootloader string
	MAC        MAC
	Source     string // what says that the loader asks so
	Naming     Naming
	Setup      *Setup // what must be there besides for the loader to ask so; nil for nothing
	// Asks are all of the order, whatever wins. Where a script has to lead on (ByScript)
	// and is missing, or does not, there are no further ones.
	Asks []Ask
	// Wins is the index in Asks of what the machine gets; -1 where nothing is left
	// and the loader stops, or does what it does by itself. The machine asks for all
	// before it, but for some that are Unknown.
	Wins int
	// InChroot is Wins for a TFTP server that is locked into the root, which finds
	// nothing behind links that are absolute or leave the root.
	InChroot int
	// Unsure says that it may get something else than Wins, by what is there and is
	// not known of the machine or of its script; Reasons tell what. It then never
	// counts as deployed.
	Unsure        bool
	Configuration string   // that it gets; empty where that is none
	Content       string   // of what wins, up to 1 MiB of UTF-8; empty where nothing does
	Reasons       []string // why that is not what was deployed, a sentence each; empty where it is
	Warnings      []string // what may change it that is not known here, a sentence each
	Servers       []Verification
}

// An Ask is one step of a search.
type Ask struct {
	// Paths are below the TFTP root. Where there are several the machine asks for
	// one of them only, and which is not known here, such as for the two byte orders
	// of a UUID: such an ask is Unknown, too, where they do not lead to the same.
	Paths []string
	By    AskedBy
	// Unknown says that it is not known what the machine asks for here, or whether it
	// does: the host's entry does not tell what the name is made of, or it depends on
	// what is not in the TFTP root (Note). Then Pattern is its form, with what is not
	// known in angle brackets, and Paths are those that exist and could be it, such as
	// names of no other host. It never wins.
	Unknown bool
	Pattern string
	Found   Found
	Path    string   // which of Paths is there, in whatever state; empty when Absent
	Through []string // the symbolic links that it leads through, and the file at their end, by path below the root (absolute where outside)
	// Configuration that it is, of this loader; empty where it is none.
	Configuration string
	// Parts are further files that a machine gets with it, by path below the root,
	// where the configuration is a directory: those that are small, and not too many.
	Parts []string
	Note  string // what is to be known of it, such as how its link is broken; one phrase
}

// Naming is how a loader names what it asks for to a TFTP server, by the path below
// the root.
type Naming string

// The ways of naming.
const (
	Plain      Naming = ""            // as it is
	Rooted     Naming = "rooted"      // with a slash in front
	BesideBoot Naming = "beside boot" // behind the folder of its boot file, as DHCP says that
)

// AskedBy is what of a machine, or of the loader, a name is made of.
type AskedBy string

// What names are made of.
const (
	ByUUID    AskedBy = "uuid"
	ByMAC     AskedBy = "mac"
	ByIP      AskedBy = "ip"
	BySerial  AskedBy = "serial"
	ByName    AskedBy = "name"    // the host's
	ByScript  AskedBy = "script"  // what goes before, such as the stub of a signed GRUB
	ByDefault AskedBy = "default" // the same for every machine
)

// Found is what a TFTP server gives for a name, as far as the disk tells.
type Found string

// IsThere says whether the machine gets a file, at least from some servers. If not,
// it asks for the next one.
func (f Found) IsThere() bool { return f == Readable || f == Unchrooted }

// What is found.
const (
	Absent     Found = "absent"     // nothing there
	Broken     Found = "broken"     // a link that leads nowhere
	Unreadable Found = "unreadable" // it, or a directory on the way, is closed to the user of a TFTP server
	NotAFile   Found = "not a file" // such as a directory
	Empty      Found = "empty"      // a file without content, which the loader takes for none
	Unchrooted Found = "unchrooted" // only a server that is not locked into the root follows the link
	Readable   Found = "readable"   // every server gives it
)

// A Setup is what a loader needs besides the links of hosts.
type Setup struct {
	Path string // below the TFTP root; empty where that is the site's choice
	Text string // what belongs there
	Done bool   // it is there, as far as can be told; never where Path is empty
}

// A Verification is what one TFTP server really gave for a search.
type Verification struct {
	Server string // address and port
	Served bool   // just what the disk says that the machine gets, byte by byte
	Got    string // what came instead, in words; empty when Served
	Asked  []string
	// Err says why the server could not be asked; nil when it could.
	Err error
}

// A File is a regular file of the TFTP root, opened as a TFTP server would give it.
type File struct {
	io.ReadSeekCloser
	Size int64
	// ModTime is when what the name gives changed last: the file, or a link or a
	// directory on the way to it. It is zero where that was just now, so that a
	// further change might not show.
	ModTime       time.Time
	Tag           string   // changes whenever the file is another one, or another content; for HTTP's ETag, without quotes
	Links         []string // the symbolic links that led to it, by path below the root (those outside of it are left out)
	Bootloader    string   // of the configuration that it is, or is part of; empty where it is none
	Configuration string
}
