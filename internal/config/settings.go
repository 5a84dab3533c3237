package config

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// settings are what deploys of configurations are unless they say otherwise, by the
// names of the configurations.
func (r *reader) settings(n *yaml.Node) {
	c := &r.config.Configuration
	c.Settings = map[string]pxepilot.Rule{}
	at := map[string]place{}
	r.pairs(n, "configuration.settings", func(k, v *yaml.Node, merged bool) {
		name := r.name(k, "configuration")
		_, twice := c.Settings[name]
		switch {
		case name == "", twice && merged:
			return
		case twice:
			r.wrong(k, "the settings of %s are in line %d already; remove one of them", pxepilot.Quote(name), at[name].line)
			return
		}
		at[name] = r.at(k)
		c.Settings[name] = r.rule(v, k.Value)
	})
	r.checkRules(c.Settings, at)
}

func (r *reader) rule(n *yaml.Node, name string) pxepilot.Rule {
	var rule pxepilot.Rule
	what := "the settings of " + pxepilot.Quote(name)
	f := fields{
		{key: "then", read: func(v *yaml.Node) {
			if rule.Then = r.name(v, "then"); rule.Then == name {
				r.wrong(follow(v), "then is the configuration itself; name the one that machines boot when their installer is done, such as local")
			}
		}},
		{key: "within", read: func(v *yaml.Node) {
			rule.Within = measure(r, v, "within", "a time such as 4h or 2d, from 1s to 365d", pxepilot.LeastWithin, pxepilot.ParseDuration)
			if rule.Within > pxepilot.MostWithin {
				r.wrong(follow(v), "within is %s; want a time from 1s to 365d", rule.Within)
			}
		}},
	}
	if r.object(n, what, f) && f.at("then") == nil {
		r.wrong(n, "%s have no then; add the configuration that machines boot when their installer is done, such as local", what)
	}
	return rule
}

// checkRules tells of settings that lead in a circle: machines would install for
// ever.
func (r *reader) checkRules(rules map[string]pxepilot.Rule, at map[string]place) {
	told := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		way := []string{name}
		for next := rules[name].Then; next != "" && !told[name]; next = rules[next].Then {
			if i := slices.Index(way, next); i >= 0 {
				if i == 0 && len(way) > 1 { // else it is told of another, or of itself
					r.tell(at[name], "the settings lead in a circle (%s), in which machines would install for ever; let one of them end at a configuration without settings, such as local",
						strings.Join(append(way, next), " > "))
					for _, on := range way {
						told[on] = true
					}
				}
				break
			}
			way = append(way, next)
		}
	}
}
