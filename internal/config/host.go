package config

import (
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// An entry is a host with the places that later checks report.
type entry struct {
	host        *pxepilot.Host
	at          place   // of the whole
	bad         bool    // its name or an address is another's
	name        place   // of its name
	macs        []place // of each address
	identities  []place // of each address that it does not boot with
	bootloaders []place // of each name
	bmc         place   // of its name, address or URL
	bmcMAC      place   // of its MAC address
}

// furtherHosts is the top level of a file of the hosts directory.
func (r *reader) furtherHosts() fields {
	return fields{{key: "hosts", read: r.hostList}}
}

const wantHosts = "a list of hosts, or [] for none"

// hostList reads the list of hosts: what the nodes hold, or the pieces that
// were cut out of the file.
func (r *reader) hostList(n *yaml.Node) {
	if c := r.cut; c != nil && !c.done && n.Line == c.line && isNull(n) && n.Value == "" && n.Anchor == "" {
		r.hostPieces(c)
		return
	}
	r.list(n, "hosts", wantHosts, r.readHost)
}

// hostPieces makes nodes of a few pieces at once, for that takes most of the time
// of a start, and reads them in order.
func (r *reader) hostPieces(c *cut) {
	before := r.line
	defer func() { r.line = before }()
	for batch := range slices.Chunk(c.pieces, min(runtime.GOMAXPROCS(0), 4)) {
		lists := make([]*yaml.Node, len(batch))
		var all sync.WaitGroup
		for i, p := range batch {
			all.Go(func() { lists[i], _ = compose(p.text) })
		}
		all.Wait()
		for i, list := range lists {
			if list == nil || list.Kind != yaml.SequenceNode {
				return
			}
			r.line = batch[i].line
			r.list(list, "hosts", wantHosts, r.readHost)
		}
	}
	c.done = true
}

func (r *reader) readHost(n *yaml.Node) {
	h := &pxepilot.Host{}
	e := entry{host: h, at: r.at(n), name: r.at(n)}
	f := fields{
		{key: "name", read: func(v *yaml.Node) {
			e.name = r.at(follow(v))
			h.Name = r.name(v, "name")
		}},
		{key: "mac_addresses", read: func(v *yaml.Node) {
			h.MACs, e.macs = r.macs(v, "mac_addresses", "list the address of every network card that may boot")
		}},
		{key: "identity_macs", read: func(v *yaml.Node) {
			h.IdentityMACs, e.identities = r.macs(v, "identity_macs", "remove the key where the host speaks with its mac_addresses only")
		}},
		{key: "labels", read: func(v *yaml.Node) { h.Labels = r.labels(v) }},
		{key: "bootloaders", read: func(v *yaml.Node) {
			r.list(v, "bootloaders", "a list of names", func(v *yaml.Node) {
				if s, ok := r.word(v, "bootloaders"); ok {
					h.Bootloaders, e.bootloaders = append(h.Bootloaders, s), append(e.bootloaders, r.at(follow(v)))
				}
			})
			if v = follow(v); v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				r.wrong(v, "bootloaders is empty; remove the key for all of them")
			}
		}},
		{key: "firmware", read: func(v *yaml.Node) {
			h.Firmware = pxepilot.Firmware(r.choice(v, "firmware", string(pxepilot.BIOS), string(pxepilot.UEFI)))
		}},
		{key: "uuid", read: func(v *yaml.Node) { h.UUID = r.uuid(v) }},
		{key: "serial", read: func(v *yaml.Node) { h.Serial, _ = r.word(v, "serial") }},
		{key: "ip", read: func(v *yaml.Node) { h.IP = r.address(v, "ip") }},
		{key: "ipmi", read: func(v *yaml.Node) { h.IPMI = r.ipmi(v, &e) }},
		{key: "redfish", read: func(v *yaml.Node) { h.Redfish = r.redfish(v, &e) }},
		{key: "management", read: func(v *yaml.Node) { h.Management = r.management(v, &e) }},
		{key: "wol", read: func(v *yaml.Node) { h.WakeOnLAN = r.wakeOnLAN(v) }},
	}
	if !r.object(n, "hosts[]", f) {
		return
	}
	if f.at("name") == nil {
		r.tell(e.at, "a host without a name; add name")
	}
	if f.at("mac_addresses") == nil {
		r.tell(e.at, "a host without mac_addresses; list the address of every network card that may boot")
	}
	r.oneDriver(h, f)
	r.hosts = append(r.hosts, e)
}

// oneDriver tells where more than one thing would drive the power of a host.
func (r *reader) oneDriver(h *pxepilot.Host, f fields) {
	var first *yaml.Node
	for _, key := range [...]string{"ipmi", "redfish", "management", "wol"} {
		switch k := f.at(key); {
		case k == nil, key == "wol" && h.WakeOnLAN == nil: // it may be said to be false
		case first == nil:
			first = k
		default:
			r.wrong(k, "%s contradicts %s in line %d; only one of them may drive the power of a host, so remove the other",
				key, first.Value, r.line+first.Line)
		}
	}
}

// name is text that will become a file name; it is empty where it cannot.
func (r *reader) name(n *yaml.Node, what string) string {
	s, ok := r.text(n, what)
	if !ok {
		return ""
	}
	if err := pxepilot.CheckName(s); err != nil {
		r.wrong(follow(n), "%v; choose another %s", err, what)
		return ""
	}
	return s
}

// macs is a list of addresses, and where each stands; hint says what to do with
// one that is empty.
func (r *reader) macs(n *yaml.Node, what, hint string) (macs []pxepilot.MAC, at []place) {
	r.list(n, what, `a list such as ["00:1a:2b:3c:4d:5e"]`, func(v *yaml.Node) {
		if m, ok := r.mac(v, what); ok {
			macs, at = append(macs, m), append(at, r.at(follow(v)))
		}
	})
	if n = follow(n); n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		r.wrong(n, "%s is empty; %s", what, hint)
	}
	return macs, at
}

func (r *reader) mac(n *yaml.Node, what string) (pxepilot.MAC, bool) {
	s, ok := r.text(n, what)
	if !ok {
		return pxepilot.MAC{}, false
	}
	m, err := pxepilot.ParseMAC(s)
	switch {
	case err != nil:
		r.wrong(follow(n), "%v", err)
		return m, false
	case m.IsZero():
		r.wrong(follow(n), "%s is no card's address", m)
		return m, false
	}
	return m, true
}

func (r *reader) labels(n *yaml.Node) map[string]string {
	labels := map[string]string{}
	found := map[string]*yaml.Node{}
	r.pairs(n, "labels", func(k, v *yaml.Node, merged bool) {
		if first := found[k.Value]; first != nil {
			if !merged {
				r.wrong(k, "label %s is already in line %d; remove one of them", pxepilot.Quote(k.Value), r.line+first.Line)
			}
			return
		}
		found[k.Value] = k
		key, ok := r.word(k, "the name of a label")
		if !ok {
			return
		}
		value, ok := r.text(v, "label "+pxepilot.Quote(key))
		if ok && value != "" { // a label may do without
			value, ok = r.word(v, "label "+pxepilot.Quote(key))
		}
		if ok {
			labels[key] = value
		}
	})
	return labels
}

func (r *reader) uuid(n *yaml.Node) pxepilot.UUID {
	s, ok := r.text(n, "uuid")
	if !ok {
		return pxepilot.UUID{}
	}
	u, err := pxepilot.ParseUUID(s)
	switch {
	case err != nil:
		r.wrong(follow(n), "%v", err)
	case u.IsZero():
		r.warn(r.at(follow(n)), "this uuid is what virtual machines without one report; it is taken as none")
	}
	return u
}

// address is the IP address of one machine.
func (r *reader) address(n *yaml.Node, what string) netip.Addr {
	s, ok := r.text(n, what)
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		r.wrong(follow(n), "%s is %s; want an IP address such as 10.0.0.7", what, pxepilot.Quote(s))
	case a.Zone() != "", a.IsUnspecified(), a.IsMulticast():
		r.wrong(follow(n), "%s is %s, which is not the address of one machine", what, a)
	default:
		return a.Unmap()
	}
	return netip.Addr{}
}

// endpoint is the name or the IP address of one machine, without a port.
func (r *reader) endpoint(n *yaml.Node, what string) (string, bool) {
	s, ok := r.word(n, what)
	if !ok {
		return "", false
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String(), true
	}
	if !isEndpoint(s) {
		r.wrong(follow(n), "%s is %s; want a host name or an IP address, without a port", what, pxepilot.Quote(s))
		return "", false
	}
	return s, true
}

func isEndpoint(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || len(s) <= 253 && hostname.MatchString(s) && !isNumeric(s)
}

// isNumeric says whether a name is all digits and dots. That is an IP address that
// is mistyped or cut off, which a resolver would complete in its own way: "10" to
// 0.0.0.10.
func isNumeric(s string) bool { return strings.Trim(s, "0123456789.") == "" }

// hostname is that of RFC 1123 section 2.1, with the underscores that are in
// use nonetheless.
var hostname = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)
