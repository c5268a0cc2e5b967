module friday.lab/cilium

go 1.23.0

require github.com/cilium/cilium v1.15.19
