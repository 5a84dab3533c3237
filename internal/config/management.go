package config

import (
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// managed is a host whose power an adapter drives, with the places that later
// checks report.
type managed struct {
	host    *pxepilot.Host
	at      place   // of its management
	adapter place   // of the adapter's name
	vars    []place // of each variable's name
}

// management reads which commands drive the power of a host.
func (r *reader) management(n *yaml.Node, e *entry) *pxepilot.Management {
	b := &pxepilot.Management{}
	m := managed{host: e.host, at: r.at(n)}
	f := fields{
		{key: "adapter", read: func(v *yaml.Node) {
			b.Adapter, _ = r.word(v, "adapter")
			m.adapter = r.at(follow(v))
		}},
		{key: "vars", read: func(v *yaml.Node) { b.Vars, m.vars = r.vars(v, "management") }},
	}
	f = r.whereabouts(f, e, &b.Address, &b.MAC, &b.Subnets)
	if !r.object(n, "management", f) {
		return nil
	}
	if f.at("adapter") == nil {
		r.wrong(n, "management names no adapter; add adapter, one of host_management_adapters")
	}
	r.located(n, f, "management", "ip_address")
	if b.Adapter != "" {
		r.managed = append(r.managed, m)
	}
	return b
}

// addressVariable is the one that every adapter has without being told.
const addressVariable = "ip_address"

// vars reads variables, and where the name of each stands.
func (r *reader) vars(n *yaml.Node, of string) (vars []pxepilot.Var, at []place) {
	what := of + ".vars[]"
	r.list(n, of+".vars", "a list such as [{name: outlet, value: \"7\"}]", func(n *yaml.Node) {
		var x pxepilot.Var
		var value string
		named := r.at(n)
		f := fields{
			{key: "name", read: func(v *yaml.Node) {
				s, ok := r.word(v, "name")
				named = r.at(follow(v))
				switch {
				case !ok:
				case !variable.MatchString(s):
					r.wrong(follow(v), "%s cannot be the name of a variable; want letters, digits and _", pxepilot.Quote(s))
				case s == addressVariable:
					r.wrong(follow(v), "%s is the address of the host's management, which needs no variable; name this one otherwise", s)
				default:
					x.Name = s
				}
			}},
			{key: "value", read: func(v *yaml.Node) {
				value, _ = r.text(v, "value")
				x.Value = pxepilot.NewSecret(value)
			}},
		}
		if !r.object(n, what, f) {
			return
		}
		if f.at("name") == nil {
			r.wrong(n, "a variable without a name; add name")
		}
		if f.at("value") == nil {
			r.wrong(n, "a variable without a value; add value")
		}
		for i, other := range vars {
			if other.Name == x.Name && x.Name != "" {
				r.wrong(f.at("name"), "variable %s is already in line %d; remove one of them", x.Name, at[i].line)
			}
		}
		r.password = r.password || value != "" && pxepilot.SecretName(x.Name)
		vars, at = append(vars, x), append(at, named)
	})
	return vars, at
}

// wakeOnLAN reads how a host without a BMC is turned on.
func (r *reader) wakeOnLAN(n *yaml.Node) *pxepilot.WakeOnLAN {
	w := &pxepilot.WakeOnLAN{}
	switch v := follow(n); {
	case isNull(v):
		r.wrong(v, "wol has no value; want true, or broadcast or interface")
		return nil
	case v.Kind == yaml.ScalarNode:
		if r.choice(v, "wol", "true", "false") == "true" {
			return w
		}
		return nil
	}
	f := fields{
		{key: "broadcast", read: func(v *yaml.Node) { w.Broadcast = r.broadcast(v) }},
		{key: "interface", read: func(v *yaml.Node) { w.Interface = r.networkInterface(v) }},
	}
	if !r.object(n, "wol", f) {
		return nil
	}
	if f.at("broadcast") == nil && f.at("interface") == nil {
		r.wrong(n, "wol says nothing; want true, or broadcast or interface")
	}
	r.oneOf(f, "broadcast", "interface")
	return w
}

func (r *reader) broadcast(n *yaml.Node) netip.Addr {
	s, ok := r.word(n, "broadcast")
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() {
		r.wrong(follow(n), "broadcast is %s; want the IPv4 broadcast address of the host's network, such as 10.0.0.255", pxepilot.Quote(s))
		return netip.Addr{}
	}
	return a
}

// networkInterface is a name that Linux takes: dev_valid_name in
// net/core/dev.c, IFNAMSIZ.
func (r *reader) networkInterface(n *yaml.Node) string {
	s, ok := r.word(n, "interface")
	if ok && (len(s) > 15 || s == "." || s == ".." || strings.ContainsAny(s, "/: ")) {
		r.wrong(follow(n), "interface is %s; want the name of a network interface of this machine, such as eth0", pxepilot.Quote(s))
		return ""
	}
	return s
}
