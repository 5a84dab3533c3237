package config

import (
	"net/netip"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// ipmi reads how the BMC of a host is reached.
func (r *reader) ipmi(n *yaml.Node) *pxepilot.IPMI {
	b := &pxepilot.IPMI{Port: 623, Interface: "lanplus", CipherSuite: -1}
	subnets := func(v *yaml.Node) {
		r.oneOrMore(v, "subnets", "one or a list such as 10.0.0.0/24", func(v *yaml.Node) {
			if p, ok := r.subnet(v); ok {
				b.Subnets = append(b.Subnets, p)
			}
		})
	}
	f := fields{
		{key: "hostname", read: func(v *yaml.Node) { b.Hostname, _ = r.endpoint(v, "hostname") }},
		{key: "ip_address", read: func(v *yaml.Node) {
			if a := r.address(v, "ip_address"); a.IsValid() {
				b.Hostname = a.String()
			}
		}},
		{key: "mac_address", read: func(v *yaml.Node) { b.MAC, _ = r.mac(v, "mac_address") }},
		{key: "subnets", read: subnets},
		{key: "subnet", read: subnets},
		{key: "port", read: func(v *yaml.Node) { b.Port, _ = r.number(v, "port", 1, 65535) }},
		{key: "username", read: func(v *yaml.Node) {
			// IPMI 2.0 section 22.29: 16 bytes, padded with zeros.
			b.Username, _ = r.word(v, "username")
			if len(b.Username) > 16 {
				r.wrong(follow(v), "username is longer than the 16 bytes that IPMI takes")
			}
		}},
		{key: "password", read: func(v *yaml.Node) { b.Password = r.ipmiPassword(v) }},
		{key: "password_file", read: func(v *yaml.Node) {
			if s, ok := r.word(v, "password_file"); ok {
				b.PasswordFile = r.beside(s)
			}
		}},
		{key: "password_env", read: func(v *yaml.Node) {
			s, ok := r.text(v, "password_env")
			if ok && !variable.MatchString(s) {
				// It may be the password itself, so it is not repeated.
				r.wrong(follow(v), "password_env must be the name of an environment variable (letters, digits, _)")
			}
			b.PasswordEnv = s
		}},
		{key: "interface", read: func(v *yaml.Node) { b.Interface = r.choice(v, "interface", "lanplus") }},
		{key: "cipher_suite", read: func(v *yaml.Node) {
			// IPMI 2.0 table 22-20 and its errata.
			if i, ok := r.number(v, "cipher_suite", 0, 19); ok {
				b.CipherSuite = i
			}
			if b.CipherSuite == 0 {
				r.warn(r.at(follow(v)), "cipher_suite 0 asks for no password at all; want 17 or 3")
			}
		}},
	}
	if !r.object(n, "ipmi", f) {
		return nil
	}
	r.oneOf(f, "hostname", "ip_address")
	r.oneOf(f, "subnets", "subnet")
	r.oneOf(f, "password", "password_file", "password_env")

	named := f.at("hostname") != nil || f.at("ip_address") != nil
	ranged := f.at("subnets") != nil || f.at("subnet") != nil
	mac := f.at("mac_address")
	switch {
	case mac == nil && ranged:
		r.wrong(n, "ipmi has subnets but no mac_address to look for in them; add mac_address")
	case named:
	case mac == nil:
		r.wrong(n, "ipmi does not say where the BMC is; add hostname, or mac_address and subnets")
	case !ranged:
		r.wrong(mac, "mac_address needs subnets to look for it in; add subnets, or hostname")
	}
	return b
}

// variable is a name of POSIX.1 section 8.1, in either case.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// oneOf tells where more than one of the keys is there.
func (r *reader) oneOf(f fields, keys ...string) {
	var first *yaml.Node
	for _, key := range keys {
		switch k := f.at(key); {
		case k == nil:
		case first == nil:
			first = k
		default:
			r.wrong(k, "%s contradicts %s in line %d; remove one of them", key, first.Value, r.line+first.Line)
		}
	}
}

func (r *reader) ipmiPassword(n *yaml.Node) pxepilot.Secret {
	r.password = true
	s, ok := r.text(n, "password")
	switch {
	case !ok:
		return pxepilot.Secret{}
	case s == "":
		r.wrong(follow(n), "password is empty; remove the key if there is none")
	case len(s) > 20: // IPMI 2.0 section 22.30
		r.wrong(follow(n), "password is longer than the 20 bytes that IPMI takes")
	case strings.ContainsRune(s, 0):
		r.wrong(follow(n), "password contains a zero byte")
	}
	return pxepilot.NewSecret(s)
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
