// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A small ERC-20 token for the demo: whoever deploys it is its minter. Worth nothing, on purpose.
contract DemoToken {
    string public constant name = "Zephyrus Demo";
    string public constant symbol = "ZDEMO";
    uint8 public constant decimals = 18;

    /// The only account that may mint.
    address public immutable minter;

    uint256 public totalSupply;
    mapping(address => uint256) private _balances;
    mapping(address => mapping(address => uint256)) private _allowances;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error NotMinter(address caller, address minter);
    error ERC20InvalidReceiver(address receiver);
    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);

    constructor() {
        minter = msg.sender;
    }

    function balanceOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    function allowance(address owner, address spender) external view returns (uint256) {
        return _allowances[owner][spender];
    }

    function mint(address to, uint256 amount) external returns (bool) {
        if (msg.sender != minter) revert NotMinter(msg.sender, minter);
        if (to == address(0)) revert ERC20InvalidReceiver(to);
        totalSupply += amount;
        _balances[to] += amount;
        emit Transfer(address(0), to, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        _allowances[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = _allowances[from][msg.sender];
        if (allowed < amount) revert ERC20InsufficientAllowance(msg.sender, allowed, amount);
        if (allowed != type(uint256).max) _allowances[from][msg.sender] = allowed - amount;
        _move(from, to, amount);
        return true;
    }

    /// Always reverts, and so takes back what it did: shows what a refused call looks like.
    function alwaysReverts() external {
        totalSupply += 1;
        revert("this function always reverts");
    }

    function _move(address from, address to, uint256 amount) private {
        if (to == address(0)) revert ERC20InvalidReceiver(to);
        uint256 balance = _balances[from];
        if (balance < amount) revert ERC20InsufficientBalance(from, balance, amount);
        unchecked {
            _balances[from] = balance - amount;
            _balances[to] += amount; // cannot overflow: the sum of all balances is totalSupply
        }
        emit Transfer(from, to, amount);
    }
}
