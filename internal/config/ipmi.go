package config

import (
	"net/netip"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// ipmi reads how the BMC of a host is reached.
func (r *reader) ipmi(n *yaml.Node, e *entry) *pxepilot.IPMI {
	b := &pxepilot.IPMI{Port: 623, Interface: "lanplus", CipherSuite: -1}
	f := append(make(fields, 0, 12),
		field{key: "hostname", read: func(v *yaml.Node) {
			b.Hostname, _ = r.endpoint(v, "hostname")
			e.bmc = r.at(follow(v))
		}},
		field{key: "port", read: func(v *yaml.Node) { b.Port = r.number(v, "port", 1, 65535) }},
		field{key: "interface", read: func(v *yaml.Node) { b.Interface = r.choice(v, "interface", "lanplus") }},
		field{key: "cipher_suite", read: func(v *yaml.Node) {
			// Those of IPMI 2.0 table 22-20 that the driver speaks.
			switch r.choice(v, "cipher_suite", "17", "3") {
			case "17":
				b.CipherSuite = 17
			case "3":
				b.CipherSuite = 3
			}
		}})
	f = r.whereabouts(f, e, &b.Hostname, &b.MAC, &b.Subnets)
	f = r.credentials(f, &b.Credentials, "IPMI", 16, 20) // IPMI 2.0 sections 22.29 and 22.30
	if !r.object(n, "ipmi", f) {
		return nil
	}
	r.oneOf(f, "hostname", "ip_address")
	r.oneSource(f)
	if !r.located(n, f, "ipmi", "hostname") {
		r.wrong(n, "ipmi does not say where the BMC is; add hostname, or mac_address and subnets")
	}
	return b
}

// whereabouts adds the keys that say where a BMC is.
func (r *reader) whereabouts(f fields, e *entry, address *string, mac *pxepilot.MAC, subnets *[]netip.Prefix) fields {
	several := func(v *yaml.Node) {
		r.oneOrMore(v, "subnets", "one or a list such as 10.0.0.0/24", func(v *yaml.Node) {
			if p, ok := r.subnet(v); ok {
				*subnets = append(*subnets, p)
			}
		})
	}
	return append(f,
		field{key: "ip_address", read: func(v *yaml.Node) {
			if a := r.address(v, "ip_address"); a.IsValid() {
				*address = a.String()
				e.bmc = r.at(follow(v))
			}
		}},
		field{key: "mac_address", read: func(v *yaml.Node) {
			*mac, _ = r.mac(v, "mac_address")
			e.bmcMAC = r.at(follow(v))
		}},
		field{key: "subnets", read: several},
		field{key: "subnet", read: several})
}

// located compares the keys of whereabouts. It says whether any of them, or the
// key named otherwise, leads to the BMC.
func (r *reader) located(n *yaml.Node, f fields, what, otherwise string) bool {
	r.oneOf(f, "subnets", "subnet")
	named := f.at(otherwise) != nil || f.at("ip_address") != nil
	ranged := f.at("subnets") != nil || f.at("subnet") != nil
	mac := f.at("mac_address")
	switch {
	case mac == nil && ranged:
		r.wrong(n, "%s has subnets but no mac_address to look for in them; add mac_address", what)
	case mac == nil:
		return named
	case !named && !ranged:
		r.wrong(mac, "mac_address needs subnets to look for it in; add subnets, or %s", otherwise)
	}
	return true
}

func (r *reader) subnet(n *yaml.Node) (netip.Prefix, bool) {
	s, ok := r.text(n, "subnets")
	if !ok {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		r.wrong(follow(n), "%s is not a subnet (want a prefix such as 10.0.0.0/24)", pxepilot.Quote(s))
	case !p.Addr().Is4():
		r.wrong(follow(n), "%s is not IPv4; BMCs are looked for by ARP, so name this one by hostname", p)
	case p != p.Masked():
		r.wrong(follow(n), "%s has bits behind its prefix; did you mean %s?", p, p.Masked())
	default:
		if p.Bits() < 16 {
			r.warn(r.at(follow(n)), "%s is larger than a /16, and looking for a BMC in it takes long; name a smaller one", p)
		}
		return p, true
	}
	return netip.Prefix{}, false
}
