-- Flies the player along a circle, always at the same speed, looking ahead and down.
local RADIUS, PERIOD, HEIGHT = 8, 12, 4
minetest.register_entity("flight:seat", {initial_properties = {visual = "sprite", textures = {"blank.png"}, physical = false, static_save = false}})
local seat, centre, t = nil, nil, 0
minetest.register_globalstep(function(dt)
  local player = minetest.get_connected_players()[1]
  if player == nil then return end
  if seat == nil then
    centre = vector.add(player:get_pos(), {x = 0, y = HEIGHT, z = 0})
    seat = minetest.add_entity(vector.add(centre, {x = RADIUS, y = 0, z = 0}), "flight:seat")
    player:set_attach(seat)
    return
  end
  t = t + dt
  local angle, speed = 2 * math.pi * t / PERIOD, 2 * math.pi * RADIUS / PERIOD
  seat:set_pos({x = centre.x + RADIUS * math.cos(angle), y = centre.y, z = centre.z + RADIUS * math.sin(angle)})
  seat:set_velocity({x = -speed * math.sin(angle), y = 0, z = speed * math.cos(angle)})
  player:set_look_horizontal(angle)
  player:set_look_vertical(0.35)
end)
