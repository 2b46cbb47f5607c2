// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Makes every call visible that was missed or made twice.
contract Counter {
    event Incremented(address indexed by, uint256 amount, uint256 total);

    uint256 public total;
    uint256 public calls;

    function increment(uint256 amount) external {
        total += amount;
        calls += 1;
        emit Incremented(msg.sender, amount, total);
    }
}
