package pxepilot

// State is what the links of a host, or one link, say.
type State string

// The states of a link, and of a host: the worst of its links' states, where
// the constants below are in rising order. Partial and Mixed are of hosts only.
const (
	Configured State = "configured" // leads to a known configuration; of a host: all its links do, to the same one
	None       State = "none"       // nothing there
	Partial    State = "partial"    // some of its links are there and agree, others are missing
	Mixed      State = "mixed"      // its links lead to different configurations
	Dangling   State = "dangling"   // a link leads to nothing
	Foreign    State = "foreign"    // a link leads to what is not a configuration of its loader
	Unmanaged  State = "unmanaged"  // a regular file, or anything else that is not a link, stands in its place
	Entangled  State = "entangled"  // a link leads through another host's
)

// A Link is one name below the TFTP root that a loader of a host asks for, and
// what was seen there.
type Link struct {
	Bootloader    string
	MAC           MAC      // zero for names that no MAC address is part of
	Path          string   // below the TFTP root, separated by "/"
	Target        string   // the text of the symbolic link; empty when there is none
	State         State    // never Partial nor Mixed
	Configuration string   // that it leads to; empty when it leads to none
	Through       []string // the links that it leads through, by path
	Canonical     bool     // it has just the text that a deploy would give it
	Obstacle      string   // what stands in its place, such as "a directory", where that is not even a regular file, which could be kept
}

// HostStatus is a host with what was seen of its links.
type HostStatus struct {
	Host          *Host
	State         State
	Configuration string // empty unless State is Configured
	Links         []Link // by loader as declared, then by MAC address as in the file
	Canonical     bool   // nothing for a repair to do: one rename per loader switches the host
}

// Common is the configuration that all those of the host's links lead to that lead
// to any, which it has after a repair; where they differ, that of the first one.
func (h *HostStatus) Common() string {
	for i := range h.Links {
		if h.Links[i].Configuration != "" {
			return h.Links[i].Configuration
		}
	}
	return ""
}

// A View is what was seen in the TFTP root at one moment. It is immutable, and
// it is the same pointer for as long as nothing changed.
type View struct {
	Inventory      *Inventory
	Hosts          []HostStatus // in the order of the inventory
	Configurations []Configuration
	index          map[*Host]int
}

// NewView makes a View of what was seen.
func NewView(inv *Inventory, hosts []HostStatus, configurations []Configuration) *View {
	v := &View{Inventory: inv, Hosts: hosts, Configurations: configurations, index: make(map[*Host]int, len(hosts))}
	for i := range hosts {
		v.index[hosts[i].Host] = i
	}
	return v
}

// Of returns what was seen of a host of the view's inventory, or nil for any
// other host.
func (v *View) Of(h *Host) *HostStatus {
	i, ok := v.index[h]
	if !ok {
		return nil
	}
	return &v.Hosts[i]
}

// IndexOf returns where in Hosts a host of the view's inventory is.
func (v *View) IndexOf(h *Host) int { return v.index[h] }

// Configuration returns the configuration of that name.
func (v *View) Configuration(name string) (Configuration, bool) {
	for _, c := range v.Configurations {
		if c.Name == name {
			return c, true
		}
	}
	return Configuration{}, false
}

// StateOf folds the states of a host's links into the host's: a configuration
// if all of them agree on it, else what is worst about them.
func StateOf(links []Link) (State, string) {
	var missing, found int
	var worst State
	configuration, mixed := "", false
	for _, l := range links {
		switch l.State {
		case None:
			missing++
			continue
		case Dangling, Foreign, Unmanaged, Entangled:
			if rank[l.State] > rank[worst] {
				worst = l.State
			}
		}
		if l.Configuration != "" {
			if found > 0 && configuration != l.Configuration {
				mixed = true
			}
			configuration = l.Configuration
			found++
		}
	}
	switch {
	case worst != "":
		return worst, ""
	case mixed:
		return Mixed, ""
	case found == 0:
		return None, ""
	case missing > 0:
		return Partial, ""
	}
	return Configured, configuration
}

var rank = map[State]int{Dangling: 1, Foreign: 2, Unmanaged: 3, Entangled: 4}
