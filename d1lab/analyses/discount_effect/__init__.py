"""What a discount sells: the one estimate that inventory, discounts, products, and advice quote.

exposure  weeks in which a discount was on offer for a product
history   sales and offers of a shop, product by week
effect    effect of all discounts, and of each discount and code
cannibalization  full-price products of a category, while others of it are on offer
launches  promotions that began in one week: before and after, with matched controls
own_slopes  what a product's own weeks tell about its price elasticity
pooling   price elasticity of each product, drawn toward its category and the shop

Frames come from the metric `discount_weeks`.
"""
