module policy

go 1.24

require flumepolicy v0.0.0

replace flumepolicy => ./sdk
