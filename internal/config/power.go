package config

import (
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// Commands are what the rooms that run commands know about them: how their words
// are split, what templates and patterns are right.
type Commands struct {
	// Adapter tells what is wrong with an adapter, whatever host uses it.
	Adapter func(pxepilot.Adapter) []Remark
	// Host tells which variables its templates name that neither it defines nor
	// a host with these variables, and an address or none.
	Host func(a pxepilot.Adapter, vars []pxepilot.Var, address bool) []Remark
	// Words tells what is wrong with a command line that is no template; the
	// message goes on behind its key.
	Words func(line string) error
	// Doubt tells why such a command line could hardly be run on this machine; empty
	// where it could. The message goes on alike.
	Doubt func(line string) string
}

// A Remark is about a part of an adapter.
type Remark struct {
	Where   string // its keys below the adapter: "power_on.cmd", "power_on.env.NAME"
	Text    string // goes on from there: "has a quote that is never closed"
	Warning bool   // it is unwise, not wrong
}

// WithCommands has Load check the commands as well.
func WithCommands(c Commands) Option { return func(r *reader) { r.commands = c } }

// checkBMCs warns of BMCs that are of several hosts, and of those that have the
// address of a host's card.
func (r *reader) checkBMCs(cards map[pxepilot.MAC]card) {
	type bmc struct {
		mac         pxepilot.MAC
		port        int
		at, systems string
	}
	owners := make(map[bmc]int, len(r.hosts))
	for i := range r.hosts {
		e := &r.hosts[i]
		var b bmc
		var mac pxepilot.MAC
		at := e.bmc
		switch h := e.host; {
		case h.IPMI != nil:
			mac = h.IPMI.MAC
			if b.port, b.at = h.IPMI.Port, strings.ToLower(h.IPMI.Hostname); b.at == "" {
				b.mac, at = mac, e.bmcMAC
			}
		case h.Redfish != nil:
			b.at, b.systems = strings.ToLower(h.Redfish.URL), h.Redfish.System
		case h.Management != nil: // one power strip feeds many
			mac = h.Management.MAC
		}
		if b.at != "" || !b.mac.IsZero() {
			if other, taken := owners[b]; taken {
				o := &r.hosts[other]
				r.warn(at, "this BMC is host %s's in %s as well; whatever is done to the power of one is done to both",
					pxepilot.Quote(o.host.Name), r.where(at, o.at))
			} else {
				owners[b] = i
			}
		}
		if mac.IsZero() {
			continue
		}
		switch c, taken := cards[mac]; {
		case !taken:
		case c.host == i:
			r.warn(e.bmcMAC, "%s is a card of this host as well; right only where its BMC shares that card's address", mac)
		default:
			r.warn(e.bmcMAC, "%s is a card of host %s in %s as well; correct one of them",
				mac, pxepilot.Quote(r.hosts[c.host].host.Name), r.where(e.bmcMAC, c.at))
		}
	}
}

// checkAdapters tells which adapters cannot work, whether for any host or for
// some, and which hosts name one that is not there.
func (r *reader) checkAdapters() {
	var names []string
	users := make(map[string][]managed, len(r.adapters))
	for _, a := range r.config.Adapters {
		names = append(names, a.Name)
		users[a.Name] = nil
	}
	for _, m := range r.managed {
		name := m.host.Management.Adapter
		if _, ok := users[name]; !ok {
			hint := pxepilot.DidYouMean(name, names)
			if hint == "" {
				hint = "; declare it there"
			}
			r.tell(m.adapter, "adapter %s is not in host_management_adapters%s", pxepilot.Quote(name), hint)
			continue
		}
		users[name] = append(users[name], m)
	}
	if r.commands.Adapter == nil || r.commands.Host == nil {
		return
	}
	for i, a := range r.config.Adapters {
		sound := true
		for _, remark := range r.commands.Adapter(a) {
			sound = sound && remark.Warning
			r.remark(r.adapters[i].part(remark.Where), remark, "")
		}
		if sound {
			r.checkVariables(a, &r.adapters[i], users[a.Name])
		}
	}
}

// remark passes a remark on, behind whatever it is about.
func (r *reader) remark(at place, m Remark, about string) {
	tell := r.tell
	if m.Warning {
		tell = r.warn
	}
	tell(at, "%s%s %s", about, m.Where, m.Text)
}

// checkVariables compares the variables that an adapter's templates name with
// those that it and its users define.
func (r *reader) checkVariables(a pxepilot.Adapter, p *adapter, users []managed) {
	if len(users) == 0 { // it may rely on whoever is yet to come
		return
	}
	var all []pxepilot.Var
	for _, m := range users {
		for _, v := range m.host.Management.Vars {
			if !slices.ContainsFunc(all, func(w pxepilot.Var) bool { return w.Name == v.Name }) {
				all = append(all, v)
			}
		}
	}
	// What nobody defines is the adapter's own mistake, told once.
	nowhere := r.commands.Host(a, all, true)
	for _, remark := range nowhere {
		r.remark(p.part(remark.Where), remark, "")
	}
	if len(nowhere) > 0 {
		return
	}
	// Most hosts define the same, so that few cases are to be looked at.
	told := map[string][]Remark{}
	for _, m := range users {
		g := m.host.Management
		address := g.Address != "" || !g.MAC.IsZero()
		key := defined(g.Vars, address)
		remarks, known := told[key]
		if !known {
			remarks = r.commands.Host(a, g.Vars, address)
			told[key] = remarks
		}
		for _, remark := range remarks {
			r.remark(m.at, remark, "adapter "+pxepilot.Quote(a.Name)+": ")
		}
	}
	r.checkUnused(a, p, all, users)
}

// defined says which variables there are, whatever their values.
func defined(vars []pxepilot.Var, address bool) string {
	names := make([]string, 0, len(vars)+1)
	for _, v := range vars {
		names = append(names, v.Name)
	}
	if address {
		names = append(names, addressVariable)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// checkUnused warns of variables that no template names, which are mostly
// mistyped.
func (r *reader) checkUnused(a pxepilot.Adapter, p *adapter, ofHosts []pxepilot.Var, users []managed) {
	var used []string
	unused := map[string]bool{}
	all, own := append(slices.Clone(a.Vars), ofHosts...), a.Vars
	a.Vars = nil
	for _, v := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(w pxepilot.Var) bool { return w.Name == v.Name })
		if len(r.commands.Host(a, others, true)) > 0 {
			used = append(used, v.Name)
		} else {
			unused[v.Name] = true
		}
	}
	if len(unused) == 0 {
		return
	}
	slices.Sort(used)
	used = slices.Compact(used)
	tell := func(vars []pxepilot.Var, at []place) {
		for i, v := range vars {
			if unused[v.Name] {
				r.warn(at[i], "variable %s is in no template of adapter %s%s", v.Name, pxepilot.Quote(a.Name), pxepilot.DidYouMean(v.Name, used))
			}
		}
	}
	tell(own, p.vars)
	for _, m := range users {
		tell(m.host.Management.Vars, m.vars)
	}
}
