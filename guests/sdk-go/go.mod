module flumepolicy

go 1.24
