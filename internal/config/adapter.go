package config

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// An adapter is where a declared one stands, which later checks report.
type adapter struct {
	at    place
	vars  []place          // of each variable's name
	parts map[string]place // of each value, by keys: "power_on.cmd", "power_on.env.NAME"
}

// part is where the part of that name stands, or what holds it.
func (a *adapter) part(name string) place {
	for name != "" {
		if at, ok := a.parts[name]; ok {
			return at
		}
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	return a.at
}

func (r *reader) adapter(n *yaml.Node) {
	var a pxepilot.Adapter
	p := adapter{at: r.at(n), parts: map[string]place{}}
	f := fields{
		{key: "name", read: func(v *yaml.Node) { a.Name, _ = r.word(v, "name") }},
		{key: "vars", read: func(v *yaml.Node) { a.Vars, p.vars = r.vars(v, "host_management_adapters[]") }},
		{key: "power_status", read: func(v *yaml.Node) { r.status(v, &a, &p) }},
		{key: "power_on", read: func(v *yaml.Node) { r.command(v, "power_on", &a.On, &p, nil) }},
		{key: "power_off", read: func(v *yaml.Node) { r.command(v, "power_off", &a.Off, &p, nil) }},
		{key: "power_reset", read: func(v *yaml.Node) { r.command(v, "power_reset", &a.Reset, &p, nil) }},
	}
	if !r.object(n, "host_management_adapters[]", f) {
		return
	}
	if f.at("name") == nil {
		r.wrong(n, "an adapter without a name; add name")
	}
	if f.at("power_status") == nil && f.at("power_on") == nil && f.at("power_off") == nil && f.at("power_reset") == nil {
		r.wrong(n, "an adapter without commands; add power_status, power_on, power_off and power_reset")
	}
	for i, other := range r.config.Adapters {
		if other.Name == a.Name && a.Name != "" {
			r.wrong(f.at("name"), "adapter %s is already in line %d; rename or remove one of them", pxepilot.Quote(a.Name), r.adapters[i].at.line)
		}
	}
	r.config.Adapters, r.adapters = append(r.config.Adapters, a), append(r.adapters, p)
}

// status is the command whose output tells the state.
func (r *reader) status(n *yaml.Node, a *pxepilot.Adapter, p *adapter) {
	pattern := func(key string, into *string) field {
		return field{key: key, read: func(v *yaml.Node) {
			*into, _ = r.word(v, key)
			p.parts["power_status."+key] = r.at(follow(v))
		}}
	}
	f := fields{pattern("pattern_on", &a.PatternOn), pattern("pattern_off", &a.PatternOff)}
	f, ok := r.command(n, "power_status", &a.Status, p, f)
	if !ok {
		return
	}
	for _, key := range []string{"pattern_on", "pattern_off"} {
		if f.at(key) == nil {
			r.wrong(n, "power_status has no %s; add the regular expression that its output matches then", key)
		}
	}
}

// command reads one command and the fields f besides. It never repeats its texts,
// which may hold a password.
func (r *reader) command(n *yaml.Node, what string, c *pxepilot.Command, p *adapter, f fields) (fields, bool) {
	p.parts[what] = r.at(n)
	template := func(v *yaml.Node, key string) string {
		s, _ := r.text(v, key)
		p.parts[what+"."+key] = r.at(follow(v))
		return s
	}
	f = append(f,
		field{key: "cmd", read: func(v *yaml.Node) {
			c.Line = template(v, "cmd")
			if strings.TrimSpace(c.Line) == "" && follow(v).Kind == yaml.ScalarNode && !isNull(follow(v)) {
				r.wrong(follow(v), "cmd is empty; give it a command, or remove %s", what)
			}
		}},
		field{key: "env", read: func(v *yaml.Node) {
			c.Env = map[string]string{}
			r.pairs(v, "env", func(k, v *yaml.Node, merged bool) {
				if first, ok := p.parts[what+".env."+k.Value]; ok {
					if !merged {
						r.wrong(k, "%s is already in line %d; remove one of them", pxepilot.Quote(k.Value), first.line)
					}
					return
				}
				s := template(v, "env."+k.Value)
				if !variable.MatchString(k.Value) {
					r.wrong(k, "%s cannot be the name of an environment variable; want letters, digits and _", pxepilot.Quote(k.Value))
					return
				}
				c.Env[k.Value] = s
				r.password = r.password || s != "" && pxepilot.SecretName(k.Value) && !strings.Contains(s, "{{")
			})
		}},
		field{key: "stdin", read: func(v *yaml.Node) { c.Stdin = template(v, "stdin") }})
	ok := r.object(n, what, f)
	if ok && f.at("cmd") == nil {
		r.wrong(n, "%s has no cmd; add the command, or remove %s", what, what)
	}
	return f, ok
}
